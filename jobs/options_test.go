package jobs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

func TestOptionsDeclareTopicsConsumersAndPrefix(t *testing.T) {
	t.Parallel()
	got, err := config.Load(append(jobs.Options(), config.WithEnviron([]string{
		"FETCHBOX__TOPICS__TASKS__PARTITIONS=16", "FETCHBOX__CONSUMERS__STATUS__GROUP=ledger", "IGGY__TOPICS=other",
	}))...)
	require.NoError(t, err)
	want := config.Default()
	want.Cluster = jobs.DefaultCluster()
	tasks, status := want.Topics.Declared["tasks"], want.Consumers["status"]
	tasks.Partitions, status.Group = 16, "ledger"
	want.Topics.Declared["tasks"], want.Consumers["status"] = tasks, status
	require.Equal(t, want, got)
	require.Len(t, got.Topics.Declared, 4)
	require.Len(t, got.Consumers, 4)
	require.Equal(t, "workers", got.Consumers["tasks"].Group)
}

func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	c := jobs.DefaultCluster()
	c.Consumers["tasks"] = config.DefaultConsumer("changed")
	delete(c.Topics.Declared, "logs")
	require.Equal(t, "workers", jobs.DefaultCluster().Consumers["tasks"].Group)
	require.Contains(t, jobs.DefaultCluster().Topics.Declared, "logs")
}
