package group_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// inEachState runs a group of three members through joins, rebalances and a stop, once for each
// state, and does something to the first member that is found in it. Afterwards the members that
// are left must share everything and handle everything.
func inEachState(t *testing.T, do func(b *bubble, c *fakeConsumer), check func(b *bubble)) {
	t.Helper()
	t.Parallel()
	for s := range group.Ended {
		t.Run(s.String(), func(t *testing.T) {
			inBubble(t, 4, func(b *bubble) {
				b.pace = 20 * time.Millisecond
				b.cfg.RebalanceGrace, b.cfg.RebalanceAfter, b.cfg.ProbeInterval = 300*time.Millisecond, 50*time.Millisecond, 30*time.Millisecond
				met := make(chan struct{})
				var once sync.Once
				for range 3 {
					b.consumer(func(c *fakeConsumer, cfg *group.Config) {
						c.work = 8 * time.Millisecond
						cfg.Log = cfg.Log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
							return stateCore{core, func(to group.State) {
								if to == s {
									once.Do(func() {
										go func() {
											defer close(met)
											do(b, c)
										}()
									})
								}
							}}
						}))
					})
				}
				stopLoad := b.load()
				for _, c := range b.all {
					c.machine.Start()
					if s == group.Disconnected {
						once.Do(func() {
							do(b, c)
							close(met)
						})
					}
					time.Sleep(300 * time.Millisecond)
				}
				b.stop(b.all[2])
				select {
				case <-met:
				case <-time.After(10 * time.Second):
					require.FailNow(b.t, "nobody came to the state")
				}
				var alive []*fakeConsumer
				for _, c := range b.all {
					if c.machine.Status().State == group.Ended {
						c.cut() // as the consumer does then
					} else {
						alive = append(alive, c)
					}
				}
				b.shares(alive, map[int][]int{1: {4}, 2: {2, 2}}[len(alive)]...)
				stopLoad()
				check(b)
			})
		})
	}
}

// stateCore tells of changes of state, which are logged.
type stateCore struct {
	zapcore.Core
	to func(group.State)
}

func (c stateCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return checked.AddCore(e, c)
}

func (c stateCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	for _, f := range fields {
		if s, ok := f.Interface.(group.State); ok && e.Message == "state changed" && f.Key == "to" {
			c.to(s)
		}
	}
	return c.Core.Write(e, fields)
}

// nothingTwice expects that nothing was handled twice, or by two at once.
func nothingTwice(b *bubble) {
	again, overlap := b.ledger.repeated()
	require.Zero(b.t, again, "handled twice")
	require.Zero(b.t, overlap, "handled by two at once")
}

func anything(*bubble) {}

// A stop ends a member in each state, without waiting for a rebalance, and nothing is handled
// twice.
func TestStopInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, c *fakeConsumer) {
		began := time.Now()
		require.Equal(b.t, group.Remaining{}, b.stop(c))
		require.Less(b.t, time.Since(began), 500*time.Millisecond) // the grace, and a little
		require.Empty(b.t, c.owned())
		require.Equal(b.t, group.Ended, c.machine.Status().State)
	}, nothingTwice)
}

// A stop without time ends at once in each state.
func TestStopWithoutTimeInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, c *fakeConsumer) {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		began := time.Now()
		c.machine.Stop(context.Background(), over)
		require.Less(b.t, time.Since(began), 10*time.Millisecond)
	}, anything)
}

func TestCloseInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, c *fakeConsumer) {
		began := time.Now()
		c.machine.Close(iggyerr.ErrClosed)
		<-c.machine.Done()
		require.Less(b.t, time.Since(began), time.Millisecond)
		c.cut()
	}, anything)
}

// The loss of a session loses all partitions at once in each state.
func TestSessionIsLostInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, c *fakeConsumer) {
		had := c.machine.Status().State
		c.cut()
		time.Sleep(time.Nanosecond)
		if had != group.Disconnected {
			require.Empty(b.t, c.owned())
		}
	}, anything)
}

func TestEvictionInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, _ *fakeConsumer) { b.server.loseGroup(mainGroup) }, anything)
}

func TestLossOfTheCoordinationGroupInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, _ *fakeConsumer) { b.server.loseGroup(coordinationGroup) }, anything)
}

// The server assigns the partitions anew, without regard to anybody.
func TestRedistributionInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, _ *fakeConsumer) {
		foreign := b.server.connect("foreign")
		_ = foreign.Join(context.Background(), transportGroup(mainGroup))
		foreign.cut()
	}, anything)
}

// A seek waits for no rebalance: it takes the time of its own requests.
func TestSeekInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, c *fakeConsumer) {
		s := c.machine.Status().State
		var id uint32
		for _, p := range c.machine.Status().Partitions {
			if p.State == group.PartitionActive {
				id = p.ID
			}
		}
		began := time.Now()
		switch err := c.seek(context.Background(), id); {
		case s >= group.StopDraining:
			require.ErrorIs(b.t, err, iggyerr.ErrClosed)
		case s < group.Active:
			require.ErrorIs(b.t, err, iggyerr.ErrNotOwner)
		case err != nil: // redistributed meanwhile, or not assigned yet
			require.ErrorIs(b.t, err, iggyerr.ErrNotOwner)
		}
		require.Less(b.t, time.Since(began), 2*time.Millisecond)
	}, anything)
}

// While the server does not answer to one member, the others wait for it no longer than they must,
// and the member goes on afterwards.
func TestMemberHangsInEachState(t *testing.T) {
	inEachState(t, func(b *bubble, c *fakeConsumer) {
		until := time.Now().Add(time.Second)
		b.server.setFault(func(conn *fakeConn, _ string) error {
			if conn.name == c.name && time.Now().Before(until) {
				return errHang
			}
			return nil
		})
	}, anything)
}

// Requests that are refused, for whatever reason, are made again.
func TestRequestsAreRefusedInEachState(t *testing.T) {
	for name, answer := range map[string]error{
		"internal": refuse("request", 13000), "generic": refuse("request", iggyerr.StatusGeneric), "no member": refuse("request", iggyerr.StatusNotMember),
	} {
		t.Run(name, func(t *testing.T) {
			inEachState(t, func(b *bubble, c *fakeConsumer) {
				n := 0
				b.server.setFault(func(conn *fakeConn, _ string) error {
					if conn.name != c.name || n > 20 {
						return nil
					}
					n++
					return answer
				})
			}, anything)
		})
	}
}
