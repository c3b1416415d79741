package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	_, err := load("consumers: {tasks: {group: changed}}\n")
	require.NoError(t, err)
	require.Equal(t, "workers", valid().Consumers["tasks"].Group)
}

func TestGroupsOfAConsumer(t *testing.T) {
	t.Parallel()
	c := config.DefaultConsumer("workers")
	require.Equal(t, []string{"workers", "workers.balance"}, c.Groups())
	c.FairAssignment = false
	require.Equal(t, []string{"workers"}, c.Groups())
}

func TestDefaultIsValidWithALogin(t *testing.T) {
	t.Parallel()
	require.NoError(t, valid().Validate())
	require.NoError(t, config.Default().Validate(), "nothing uses the cluster yet")
	require.EqualError(t, config.Default().ValidateCluster(""), "iggy.client_id: must be set, with client_secret or client_secret_file, unless token is")
	require.NoError(t, config.Default().Health.Validate())
	require.NoError(t, config.Default().Producer.Validate())
	require.NoError(t, valid().Topics.Validate())
	require.NoError(t, valid().ValidateCluster(""))
	require.NoError(t, config.DefaultConsumer("g").Validate())
	require.NoError(t, valid().Cluster.Validate())
	require.EqualError(t, config.DefaultConsumer("").Validate(), "consumer.group: must have 1 to 255 bytes")
}
