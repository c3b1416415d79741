package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// fault is a way out of the healthy state of a consumer, and back.
type fault struct {
	embeddedOnly bool
	cause        string // a part of the error
	missing      bool   // the error matches iggyerr.ErrNotFound
	asUser       bool   // the consumer is the user of createUser
	begin        func(t *testing.T, e *testEnv) (end func())
}

// The check of a consumer fails soon after each way out of a healthy state, says why, and passes again
// after the way back, when messages are handled again.
func TestCheckFollowsTheState(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"group deleted": {
			cause: "not in the group g", missing: true,
			begin: func(_ *testing.T, e *testEnv) func() {
				e.deleteGroup("g")
				return func() { e.createGroups("g") }
			},
		},
		"topic deleted": {
			cause: "not in the group g", missing: true,
			begin: func(_ *testing.T, e *testEnv) func() {
				e.deleteTopic()
				return func() {
					e.createTopic(1)
					e.createGroups("g", "g.balance")
				}
			},
		},
		"member removed, joining refused": {
			embeddedOnly: true, cause: "not in the group g",
			begin: func(t *testing.T, e *testEnv) func() {
				end := e.refuse(nil, embedded.JoinGroup)
				require.NoError(t, e.server.RemoveMembers("s", "t", "g"))
				return end
			},
		},
		"connection lost, joining refused": {
			embeddedOnly: true, cause: "not in the group g",
			begin: func(_ *testing.T, e *testEnv) func() {
				end := e.refuse(nil, embedded.JoinGroup)
				e.server.CutConnections()
				return func() {
					end()
					e.conn = e.connect()
				}
			},
		},
		"polls refused": {
			embeddedOnly: true, cause: "partition 0 is not read",
			begin: func(_ *testing.T, e *testEnv) func() {
				end := e.refuse(func(r iggytest.Request) bool { return pollCount(r) > 1 }, embedded.PollMessages)
				e.send(0, "b/0")
				return end
			},
		},
		"no permission to poll": {
			embeddedOnly: true, cause: "learning the assigned partitions fails",
			begin: func(_ *testing.T, e *testEnv) func() {
				return e.refuse(nil, embedded.PollMessages, embedded.GetGroup)
			},
		},
		"permissions withdrawn": {
			asUser: true, cause: "not permitted",
			begin: func(_ *testing.T, e *testEnv) func() {
				e.permit(false)
				e.send(0, "b/0")
				return func() { e.permit(true) }
			},
		},
		"commits refused": {
			embeddedOnly: true, cause: "partition 0: commits fail",
			begin: func(_ *testing.T, e *testEnv) func() {
				// Not the question whether a partition is assigned.
				end := e.refuse(func(r iggytest.Request) bool { return r.Body[len(r.Body)-1] == 0 }, embedded.StoreOffset)
				e.send(0, "b/0")
				return end
			},
		},
		"server away": {
			embeddedOnly: true, cause: "not connected",
			begin: func(_ *testing.T, e *testEnv) func() {
				e.server.Stop()
				return func() {
					e.server.Start()
					e.conn = e.connect()
				}
			},
		},
	} {
		for _, by := range []config.Transport{config.TransportSDK, config.TransportNative} {
			t.Run(name+" "+string(by), func(t *testing.T) {
				t.Parallel()
				t.Run("embedded", func(t *testing.T) {
					t.Parallel()
					testFault(t, newTestEnv(t, 1, embedded.WithDirectory(t.TempDir())), fastConfig(), by, f)
				})
				if !f.embeddedOnly {
					t.Run("real", func(t *testing.T) {
						t.Parallel()
						testFault(t, newRealEnv(t, 1), config.DefaultConsumer("g"), by, f)
					})
				}
			})
		}
	}
}

func testFault(t *testing.T, e *testEnv, cfg config.Consumer, by config.Transport, f fault) {
	e.iggy.Transport = by
	got := newSeen()
	var lines logLines
	root := e.iggy
	if f.asUser {
		e.iggy = e.createUser()
	}
	c := e.consumer(cfg, consumer.WithLogger(lines.logger()))
	e.iggy = root
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	e.send(0, "a/0")
	got.wait(t, 1)
	eventually(t, "health", func() bool { return c.Check(t.Context()) == nil })
	end := f.begin(t, e)
	began := time.Now()
	eventually(t, "the check to fail", func() bool { return c.Check(t.Context()) != nil })
	require.Less(t, time.Since(began), 10*time.Second)
	eventually(t, "the cause", func() bool {
		err := c.Check(t.Context())
		require.Error(t, err)
		return strings.Contains(err.Error(), f.cause) && (!f.missing || errors.Is(err, iggyerr.ErrNotFound))
	})
	if f.missing {
		require.False(t, c.Status().Joined)
		require.ErrorIs(t, c.Status().Problem, iggyerr.ErrNotFound)
	}
	end()
	e.send(0, "last/0")
	got.waitFor(t, "the last message", func(texts []string) bool { return len(texts) > 0 && texts[len(texts)-1] == "last/0" })
	eventually(t, "health", func() bool { return c.Check(t.Context()) == nil })
	for _, text := range []string{"poll refused, retrying", "commit failed, retrying", "joining the group failed, retrying", "learning the assigned partitions failed, retrying"} {
		require.LessOrEqual(t, len(lines.lines(t, text)), 1, text)
	}
	stop(t, c)
}

// refuse has the server refuse commands, for those requests that match if that is given.
func (e *testEnv) refuse(match func(iggytest.Request) bool, commands ...embedded.Command) (end func()) {
	f := iggytest.Answer(embedded.StatusUnauthorized).On(commands...)
	if match != nil {
		f = f.When(match)
	}
	return e.server.Inject(f).Remove
}

// createUser creates a user who may do what a consumer does, and returns the settings to log in.
func (e *testEnv) createUser() config.Iggy {
	e.user = fmt.Sprintf("reader-%d", time.Now().UnixNano())
	e.admin(func(c *tcp.IggyTcpClient) {
		_, err := c.CreateUser(e.user, "password", iggcon.Active, &iggcon.Permissions{})
		require.NoError(e.t, err)
	})
	e.t.Cleanup(func() {
		e.admin(func(c *tcp.IggyTcpClient) { require.NoError(e.t, c.DeleteUser(identifier(e.t, e.user))) })
	})
	e.permit(true)
	cfg := e.iggy
	cfg.ClientID, cfg.ClientSecret = e.user, config.NewSecret("password")
	return cfg
}

// permit gives the user of createUser the permissions of a consumer, or takes them away.
func (e *testEnv) permit(on bool) {
	e.admin(func(c *tcp.IggyTcpClient) {
		require.NoError(e.t, c.UpdatePermissions(identifier(e.t, e.user), &iggcon.Permissions{
			Global: iggcon.GlobalPermissions{ReadStreams: on, ReadTopics: on, PollMessages: on},
		}))
	})
}

func (e *testEnv) deleteGroup(name string) {
	e.admin(func(c *tcp.IggyTcpClient) {
		require.NoError(e.t, c.DeleteConsumerGroup(identifier(e.t, e.stream), identifier(e.t, "t"), identifier(e.t, name)))
	})
}

func (e *testEnv) createGroups(names ...string) {
	e.admin(func(c *tcp.IggyTcpClient) {
		for _, name := range names {
			_, err := c.CreateConsumerGroup(identifier(e.t, e.stream), identifier(e.t, "t"), name)
			require.NoError(e.t, err)
		}
	})
}

func (e *testEnv) deleteTopic() {
	e.admin(func(c *tcp.IggyTcpClient) {
		require.NoError(e.t, c.DeleteTopic(identifier(e.t, e.stream), identifier(e.t, "t")))
	})
}

func (e *testEnv) createTopic(partitions uint32) {
	e.admin(func(c *tcp.IggyTcpClient) {
		_, err := c.CreateTopic(identifier(e.t, e.stream), "t", partitions, iggcon.CompressionAlgorithmNone, 0, 0, nil)
		require.NoError(e.t, err)
	})
}

// Whoever waits for a message of a group that does not exist learns why from the check, and gets the
// message once it does.
func TestCheckNamesAMissingGroup(t *testing.T) {
	t.Parallel()
	overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		e.deleteGroup("g")
		c := e.consumer(cfg, consumer.WaitForProvisioning())
		start(t, c)
		got := make(chan string, 1)
		go func() {
			if m, err := c.Next(context.WithoutCancel(t.Context())); err == nil {
				m.Ack()
				got <- m.Value
			}
		}()
		eventually(t, "the check to fail", func() bool { return errors.Is(c.Check(t.Context()), iggyerr.ErrNotFound) })
		require.ErrorContains(t, c.Check(t.Context()), "not in the group g")
		e.createGroups("g")
		e.send(0, "a/0")
		require.Equal(t, "a/0", received(t, "the message", got))
		eventually(t, "health", func() bool { return c.Check(t.Context()) == nil })
		stop(t, c)
	})
}

// A standalone consumer is not healthy without its topic and its partitions.
func TestCheckNamesAMissingTopicOfAStandaloneConsumer(t *testing.T) {
	t.Parallel()
	overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		e.deleteTopic()
		got := newSeen()
		var lines logLines
		c := e.consumer(cfg, consumer.WithStandalone(consumer.Standalone{Name: "n", Partitions: []uint32{0, 1}}), consumer.WithLogger(lines.logger()), consumer.WaitForProvisioning())
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
			got.add(m.Value)
			return nil
		}))
		start(t, c)
		require.Error(t, c.Check(t.Context()))
		missing := func() bool { return errors.Is(c.Check(t.Context()), iggyerr.ErrNotFound) }
		eventually(t, "the check to fail", missing)
		require.False(t, c.Status().Joined)
		e.createTopic(1)
		e.conn = e.connect()
		e.send(0, "a/0")
		got.wait(t, 1)
		eventually(t, "only a partition to be missing", func() bool {
			err := c.Check(t.Context())
			return missing() && strings.Contains(err.Error(), "t/1")
		})
		e.deleteTopic()
		e.createTopic(2)
		e.conn = e.connect()
		eventually(t, "health", func() bool { return c.Check(t.Context()) == nil && len(c.Status().Partitions) == 2 })
		e.send(1, "b/0")
		got.wait(t, 2)
		e.deleteTopic()
		eventually(t, "the check to fail", missing)
		e.createTopic(2)
		eventually(t, "health", func() bool { return c.Check(t.Context()) == nil })
		stop(t, c)
		require.LessOrEqual(t, len(lines.lines(t, "learning the assigned partitions failed, retrying")), 3)
	})
}

// A partition that is full of messages which wait for redelivery fails the check, until they are
// handled.
func TestCheckNamesAPartitionThatIsFull(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		const n = 40
		for i := range n {
			e.send(0, fmt.Sprintf("%d/%s", i, strings.Repeat("x", 1000)))
		}
		cfg := fastConfig()
		cfg.MaxBufferedBytes, cfg.Retry.MaxDeliveries = 16<<10, -1
		var handles atomic.Bool
		c := e.handling(cfg, func(_ context.Context, _ *consumer.Message[string]) error {
			if handles.Load() {
				return nil
			}
			return consumer.RetryAfter(2*time.Second, errBusy)
		})
		eventually(t, "the check to fail", func() bool { return c.Check(t.Context()) != nil && c.Status().Waiting > 0 })
		require.ErrorContains(t, c.Check(t.Context()), "partition 0 delivers no other messages")
		require.Less(t, c.Status().Waiting, n)
		handles.Store(true)
		e.server.WaitCommitted("s", "t", "g", 0, n-1)
		eventually(t, "health", func() bool { return c.Check(t.Context()) == nil })
	})
}
