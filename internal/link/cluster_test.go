package link_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/transporttest"
)

// overTransports runs a test over each transport, with settings for the hosts.
func overTransports(t *testing.T, test func(t *testing.T, at func(hosts ...string) config.Iggy)) {
	for _, kind := range []config.Transport{config.TransportNative, config.TransportSDK} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, func(hosts ...string) config.Iggy {
				cfg := settings()
				cfg.Transport, cfg.Endpoint = kind, "iggy://"+strings.Join(hosts, ",")
				cfg.DialTimeout, cfg.StartTimeout = 10*time.Second, 20*time.Second
				return cfg
			})
		})
	}
}

// connected starts a link and returns it with the address of its server.
func connected(t *testing.T, cfg config.Iggy) (*link.Link, string) {
	t.Helper()
	l, err := link.New("test", cfg)
	require.NoError(t, err)
	require.NoError(t, l.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, l.Stop(context.Background())) })
	require.NoError(t, l.Do(t.Context(), ping))
	return l, l.Status().Address
}

// requireAt waits until the link is at the server.
func requireAt(t *testing.T, l *link.Link, address string) {
	t.Helper()
	require.Eventually(t, func() bool {
		s := l.Status()
		return s.State == link.StateReady && s.Address == address
	}, 30*time.Second, time.Millisecond, "%+v", l.Status())
	require.NoError(t, l.Do(t.Context(), ping))
}

// The scenarios of Iggy's own bdd/scenarios/leader_redirection.feature, against embedded servers
// and the real ones that IGGY_TEST_CLUSTER names.
func TestLeaderRedirection(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, cfg config.Iggy, leader, follower string) {
		at := func(host string) config.Iggy { cfg.Endpoint = "iggy://" + host; return cfg }
		t.Run("client redirects from follower to leader", func(t *testing.T) {
			_, address := connected(t, at(follower))
			require.Equal(t, leader, address)
		})
		t.Run("client connects directly to leader", func(t *testing.T) {
			_, address := connected(t, at(leader))
			require.Equal(t, leader, address)
		})
		t.Run("several clients converge", func(t *testing.T) {
			var wg sync.WaitGroup
			for _, host := range []string{leader, follower, leader + "," + follower, follower + "," + leader} {
				l, err := link.New("test", at(host))
				require.NoError(t, err)
				wg.Go(func() {
					if err := l.Start(t.Context()); err != nil || l.Status().Address != leader {
						t.Errorf("%s: %v, at %s", host, err, l.Status().Address)
					}
					_ = l.Stop(context.Background())
				})
			}
			wg.Wait()
		})
	}
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		overTransports(t, func(t *testing.T, at func(...string) config.Iggy) {
			c := iggytest.NewCluster(t, 2)
			run(t, at("unused"), c.Node(0).Address(), c.Node(1).Address())
		})
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		endpoint := os.Getenv("IGGY_TEST_CLUSTER")
		if endpoint == "" {
			t.Skip("IGGY_TEST_CLUSTER (iggy://user:password@leader:port,follower:port) names no real cluster: not tried on one")
		}
		login, hosts, ok := strings.Cut(endpoint, "@")
		leader, follower, two := strings.Cut(hosts, ",")
		require.True(t, ok && two)
		u, err := url.Parse(login + "@host")
		require.NoError(t, err)
		overTransports(t, func(t *testing.T, at func(...string) config.Iggy) {
			cfg := at("unused")
			password, _ := u.User.Password()
			cfg.ClientID, cfg.ClientSecret = u.User.Username(), config.NewSecret(password)
			run(t, cfg, leader, follower)
		})
	})
}

// What a client sees by way of a follower is what the leader has.
func TestRequestsReachTheLeader(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, at func(...string) config.Iggy) {
		c := iggytest.NewCluster(t, 2)
		c.Node(0).CreateTopic("shop", "orders", 1)
		l, _ := connected(t, at(c.Node(1).Address()))
		require.NoError(t, l.Do(t.Context(), func(ctx context.Context, conn transport.Conn) error {
			_, err := conn.Topic(ctx, "shop", "orders")
			return err
		}), "the topic exists on the leader only")
	})
}

func TestLinkFollowsALeaderThatChanges(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, at func(...string) config.Iggy) {
		c := iggytest.NewCluster(t, 3)
		cfg := at(c.Node(1).Address())
		cfg.HeartbeatInterval = 50 * time.Millisecond
		l, _ := connected(t, cfg)
		requireAt(t, l, c.Node(0).Address())

		c.SetLeader(2)
		requireAt(t, l, c.Node(2).Address()) // without the loss of the connection
		require.ErrorIs(t, l.Status().LastError, iggyerr.ErrLeader)

		// The endpoint's only server and the leader go, and the remembered node leads.
		c.SetLeader(0)
		c.Node(1).Crash()
		c.Node(2).Crash()
		requireAt(t, l, c.Node(0).Address())
	})
}

func TestStartSaysWhyTheLeaderIsNotReached(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, at func(...string) config.Iggy) {
		for name, tt := range map[string]struct {
			arrange func(*iggytest.Cluster)
			want    string
		}{
			"away": {func(c *iggytest.Cluster) { c.Node(0).Crash() }, "can't be reached"},
			"loop": {func(c *iggytest.Cluster) {
				c.ChangeView(0, func(m *embedded.Cluster) { m.Nodes[0].Leader, m.Nodes[1].Leader = false, true })
			}, "in a loop"},
			"address": {func(c *iggytest.Cluster) {
				c.Change(func(m *embedded.Cluster) { m.Nodes[0].Host = "0.0.0.0" })
			}, "which nobody can dial"},
			"no leader": {func(c *iggytest.Cluster) {
				c.Change(func(m *embedded.Cluster) { m.Nodes[0].Status = embedded.NodeUnreachable })
			}, "names no healthy leader"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := iggytest.NewCluster(t, 2)
				tt.arrange(c)
				cfg := at(c.Node(1).Address())
				cfg.StartTimeout = 3 * time.Second
				l, err := link.New("test", cfg)
				require.NoError(t, err)
				err = l.Start(t.Context())
				require.ErrorIs(t, err, iggyerr.ErrLeader)
				require.ErrorIs(t, err, iggyerr.ErrNotConnected)
				require.ErrorContains(t, err, tt.want)
			})
		}
	})
}

// With one server no round trip is added after the first login of a process.
func TestSingleServerIsAskedForItsClusterOnce(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, at func(...string) config.Iggy) {
		srv := iggytest.NewServer(t)
		asked := srv.Inject(iggytest.Observe().On(embedded.GetClusterMetadata))
		logins := srv.Inject(iggytest.Observe().On(embedded.LoginUser))
		var links []*link.Link
		for range 3 {
			l, address := connected(t, at(srv.Address()))
			require.Equal(t, srv.Address(), address)
			links = append(links, l)
		}
		srv.CutConnections()
		logins.Wait(6)
		for _, l := range links {
			require.NoError(t, l.Do(t.Context(), ping))
		}
		require.Equal(t, 1, asked.Count())
	})
}

func TestHostsOfTheEndpointAreTriedInTurn(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, at func(...string) config.Iggy) {
		silent, away, srv := iggytest.NewServer(t), iggytest.NewServer(t), iggytest.NewServer(t)
		silent.Inject(iggytest.Silence().On(embedded.LoginUser))
		away.StopListening()
		cfg := at(away.Address(), silent.Address(), srv.Address())
		cfg.DialTimeout = 3 * time.Second
		l, address := connected(t, cfg)
		require.Equal(t, srv.Address(), address)
		require.Zero(t, l.Status().Failures)
	})
}

// A server of Iggy 0.9 never answers a login of Iggy 0.8, or closes the connection.
func TestNewerServerIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	for name, closes := range map[string]bool{"silent": false, "closes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, func(t *testing.T, at func(...string) config.Iggy) {
				l, err := link.New("test", at(transporttest.NewerServer(t, closes)))
				require.NoError(t, err)
				begin := time.Now()
				err = l.Start(t.Context())
				require.ErrorIs(t, err, iggyerr.ErrProtocol)
				require.ErrorContains(t, err, "a server of Iggy 0.9 or later (protocol versions 0.11.0 to 0.11.0), and this library supports servers of Iggy 0.8 only")
				require.Less(t, time.Since(begin), 5*time.Second, "well before the dial timeout")
			})
		})
	}
}
