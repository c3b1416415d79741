package admin_test

import (
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/transporttest"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// What is created by way of a follower is on the leader, where the official clients see it.
func TestRequestsGoToTheLeader(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, leader, follower config.Iggy) {
		byFollower := newAdmin(t, follower)
		stream := newStream(t, byFollower)
		spec := admin.Spec{{Stream: stream, Name: "t", Settings: topic.Settings{Partitions: 2}}}
		report, err := byFollower.Provision(newContext(t), spec)
		require.NoError(t, err)
		require.NotEmpty(t, report.Created())
		plan, err := newAdmin(t, leader).Plan(newContext(t), spec)
		require.NoError(t, err)
		require.Empty(t, plan.Created())
		_, err = dial(t, leader).Topic(newContext(t), stream, "t")
		require.NoError(t, err)
		_, err = dial(t, follower).Topic(newContext(t), stream, "t") // without a redirect
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
	}
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		c := iggytest.NewCluster(t, 2)
		run(t, settings(c.Node(0).Address()), settings(c.Node(1).Address()))
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		endpoint := os.Getenv("IGGY_TEST_CLUSTER")
		if endpoint == "" {
			t.Skip("IGGY_TEST_CLUSTER (iggy://user:password@leader:port,follower:port) is not set: no real cluster")
		}
		login, hosts, _ := strings.Cut(endpoint, "@")
		leader, follower, two := strings.Cut(hosts, ",")
		require.True(t, two)
		u, err := url.Parse(login + "@host")
		require.NoError(t, err)
		at := func(host string) config.Iggy {
			cfg := settings(host)
			password, _ := u.User.Password()
			cfg.ClientID, cfg.ClientSecret = u.User.Username(), config.NewSecret(password)
			return cfg
		}
		run(t, at(leader), at(follower))
	})
}

func TestAdminFollowsALeaderThatChanges(t *testing.T) {
	t.Parallel()
	c := iggytest.NewCluster(t, 2)
	a := newAdmin(t, settings(c.Node(1).Address()))
	require.NoError(t, a.Ping(newContext(t)))
	c.SetLeader(1)
	c.Node(0).Crash()
	stream := newStream(t, a)
	_, err := a.Provision(newContext(t), admin.Spec{{Stream: stream, Name: "t", Settings: topic.Settings{Partitions: 1}}})
	require.NoError(t, err)
	_, err = dial(t, settings(c.Node(1).Address())).Topic(newContext(t), stream, "t")
	require.NoError(t, err)
}

func TestNewerServerIsNamed(t *testing.T) {
	t.Parallel()
	err := newAdmin(t, settings(transporttest.NewerServer(t, false))).Ping(newContext(t))
	require.ErrorIs(t, err, iggyerr.ErrProtocol)
	require.ErrorContains(t, err, "Iggy 0.9 or later")
}
