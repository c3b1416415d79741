package jobs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestSpec(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	c := inStream("s")
	topics := c.Topics.Declared
	keptForEver, dlq := topics["logs"], topics["dlq"]
	keptForEver.Retention, dlq.Retention, dlq.MaxSize = config.RetentionForever, config.RetentionDefault, 2<<30
	topics["logs"], topics["dlq"] = keptForEver, dlq
	logs := c.Consumers["logs"]
	logs.FairAssignment = false
	c.Consumers["logs"] = logs
	delete(c.Consumers, "dlq")
	require.Equal(t, admin.Spec{
		{Stream: "s", Name: "jobs.tasks", Settings: topic.Settings{Partitions: 8, Retention: 7 * day}, Groups: []string{"workers", "workers.balance"}},
		{Stream: "s", Name: "jobs.status", Settings: topic.Settings{Partitions: 4, Retention: 14 * day}, Groups: []string{"operators", "operators.balance"}},
		{Stream: "s", Name: "jobs.logs", Settings: topic.Settings{Partitions: 4, Retention: topic.RetentionForever}, Groups: []string{"operators"}},
		{Stream: "s", Name: "jobs.dlq", Settings: topic.Settings{Partitions: 2, MaxSize: 2 << 30}},
	}, jobs.Spec(c))

	tasks := c.Consumers["tasks"]
	tasks.ParkAfter = time.Minute
	c.Consumers["tasks"] = tasks
	require.Equal(t, admin.TopicSpec{
		Stream: "s", Name: "jobs.tasks.workers.parked", Settings: topic.Settings{Partitions: 8, Retention: 7 * day}, Groups: []string{"workers", "workers.balance"},
	}, jobs.Spec(c)[4])
}
