package consumer_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// recreate makes the topic anew after the server lost it.
func (r *rig) recreate(partitions uint32) {
	r.server.CreateTopic("s", "t", partitions)
	r.server.CreateGroup("s", "t", "g")
	r.server.CreateGroup("s", "t", "g.balance")
	r.conn = r.connect()
}

func TestMessagesOfALogThatLostEverythingAreRead(t *testing.T) {
	t.Parallel()
	for name, standalone := range map[string]*consumer.Standalone{
		"group": nil, "named": {Name: "n"}, "anonymous": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.send(0, numbered("old", 10)...)
			var opts []consumer.Option
			if standalone != nil {
				opts = append(opts, consumer.WithStandalone(*standalone))
			}
			l := newLedger()
			c := r.worker(quick(), l, 0, opts...)
			l.wait(t, 10)
			r.server.WaitFor("the commit", func() bool {
				p := c.Status().Partitions
				return name == "anonymous" || len(p) == 1 && p[0].HasCommitted && p[0].Committed == 9
			})
			r.server.Crash()
			r.server.Start()
			r.recreate(1)
			r.send(0, numbered("new", 3)...)
			l.wait(t, 13)
			r.send(0, numbered("newer", 20)...)
			l.wait(t, 33)
			require.Zero(t, l.doubled)
			stop(t, c)
		})
	}
}

func TestTopicThatIsMadeAnewUnderAStandaloneConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, numbered("old", 10)...)
	l := newLedger()
	r.worker(quick(), l, 0, consumer.WithStandalone(consumer.Standalone{Name: "n"}))
	l.wait(t, 10)
	r.remake()
	r.send(0, numbered("new", 3)...)
	l.wait(t, 13)
}

func TestOperatorsResetIsHonoured(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]config.OnReset{"follow": config.ResetFollow, "latest": config.ResetLatest, "stop": config.ResetStop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.send(0, numbered("a", 10)...)
			cfg := quick()
			cfg.OnReset = on
			cfg.DedupWindow = 100
			got := newSeen()
			c := r.consumer(cfg, consumer.WithStandalone(consumer.Standalone{Name: "n"}))
			require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				got.add(m.Value)
				return nil
			}))
			start(t, c)
			got.wait(t, 10)
			r.server.WaitFor("the commit", func() bool { return c.Status().Partitions[0].Committed == 9 })
			who := transport.Consumer{Stream: "s", Topic: "t", Name: "n"}
			require.NoError(t, r.conn.StoreOffset(context.Background(), who, 0, 4))
			switch on {
			case config.ResetFollow:
				require.Equal(t, numbered("a", 10)[5:], got.wait(t, 15)[10:])
			case config.ResetLatest:
				r.server.WaitFor("the end being stored", func() bool {
					offset, _, _ := r.server.Embedded().StoredConsumerOffset("s", "t", "n", 0)
					return offset == 9
				})
				r.send(0, "a/10")
				require.Equal(t, "a/10", got.wait(t, 11)[10])
			case config.ResetStop:
				r.server.WaitFor("the stop", func() bool { return c.Check(context.Background()) != nil })
				require.ErrorContains(t, c.Check(context.Background()), "on_reset: stop")
				require.Len(t, got.all(), 10)
			}
		})
	}
}

func TestGapIsNoticed(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]config.OnGap{"continue": config.GapContinue, "stop": config.GapStop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1, embedded.WithRetention(4<<10))
			cfg := quick()
			cfg.OnGap = on
			got := newSeen()
			c := r.consumer(cfg)
			require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				got.add(m.Value)
				return nil
			}))
			start(t, c)
			r.send(0, "a/0")
			got.wait(t, 1)
			c.Pause(0)
			padding := strings.Repeat("x", 500)
			for i := range 20 {
				r.send(0, fmt.Sprintf("%d/%s", i, padding))
			}
			c.Resume(0)
			if on == config.GapContinue {
				all := got.wait(t, 3)
				require.NotEqual(t, "0/"+padding, all[1])
				got.waitFor(t, "the last message", func(texts []string) bool {
					return texts[len(texts)-1][:3] == "19/"
				})
				require.NoError(t, c.Check(context.Background()))
				return
			}
			r.server.WaitFor("the stop", func() bool { return c.Check(context.Background()) != nil })
			require.ErrorContains(t, c.Check(context.Background()), "on_gap: stop")
			require.Len(t, got.all(), 1)
		})
	}
}

func TestStartFromNextLosesNothingBetweenOwners(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/old")
	cfg := quick()
	cfg.StartFrom = config.StartEnd
	first := r.worker(cfg, newLedger(), 0)
	r.server.WaitCommitted("s", "t", "g", 0, 0)
	stop(t, first)
	r.send(0, "a/between")
	l := newLedger()
	r.worker(cfg, l, 0)
	l.wait(t, 1)
	require.Contains(t, l.times, "a/between")
}

func TestDuplicatesByIDAreDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	cfg := quick()
	cfg.DedupWindow = 10
	l := newLedger()
	r.worker(cfg, l, 0)
	r.send(0, "a/0")
	r.written.Store(0) // the same id again
	r.send(0, "a/again", "a/1")
	l.wait(t, 2)
	require.NotContains(t, l.times, "a/again")
	r.server.WaitCommitted("s", "t", "g", 0, 2)
}

// TestKilledServer is what a kill -9 does to the real server: logs end where
// they were written last, stored offsets come back as 0, and new messages get the offsets of
// lost ones before the consumer is back.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kept, added int
		stored      uint64
	}{
		"everything lost, nothing new yet": {0, 0, 0},
		"everything lost, some new":        {0, 3, 0},
		"everything lost, as many new":     {0, 20, 0},
		"half lost, some new":              {5, 3, 0},
		"half lost, many new":              {5, 30, 0},
		"half lost, the offset kept":       {5, 30, 9},
		"the offset beyond the end":        {5, 2, 9},
		"nothing lost but the offset":      {10, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(1)
				server.append(0, numbered("old", 10)...)
				l := newLedger()
				c := bubbled(t, server, nil, func(_ context.Context, m *consumer.Message[string]) error {
					l.done(m.Value)
					return nil
				})
				time.Sleep(10 * time.Second)
				stored, _ := server.committed()
				require.EqualValues(t, 9, stored[0])
				want := 10
				server.crash(func() {
					server.partitions[0] = server.partitions[0][:tt.kept]
					server.stored[0] = tt.stored
				})
				server.append(0, numbered("new", tt.added)...)
				time.Sleep(10 * time.Second)
				// The connection ends once more before and after something is new.
				server.crash(func() {})
				time.Sleep(10 * time.Second)
				server.append(0, numbered("newer", 5)...)
				time.Sleep(10 * time.Second)
				server.crash(func() {})
				time.Sleep(10 * time.Second)
				require.NoError(t, c.Stop(context.Background()))
				want += tt.added + 5
				require.Len(t, l.times, want, "%v", l.times)
				if tt.kept < 10 {
					require.Zero(t, l.doubled)
				}
			})
		})
	}
}

// A log that only seems to have lost its end, since metadata is late, must not lose what is not
// acknowledged: also when it is of one batch, and so of one time, with what is.
func TestLogThatOnlySeemsCutIsReadOn(t *testing.T) {
	t.Parallel()
	for name, acked := range map[string]int{"some acknowledged": 5, "none acknowledged": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(1)
				server.append(0, numbered("", 10)...)
				if acked == 0 {
					server.stored[0] = 3 // by a former process
				}
				got := map[string]int{}
				var mu sync.Mutex
				c := bubbled(t, server, func(cfg *config.Consumer) { cfg.AckMode, cfg.BatchSize = config.AckManual, 4 }, func(ctx context.Context, m *consumer.Message[string]) error {
					mu.Lock()
					defer mu.Unlock()
					if got[m.Value]++; int(m.Offset()) < acked || got[m.Value] > 1 || m.Value == "/new" {
						m.Ack()
					} else {
						context.AfterFunc(ctx, m.Ack) // too late: it is to come again
					}
					return nil
				})
				time.Sleep(10 * time.Second)
				server.crash(func() { server.hidden = 8 })
				time.Sleep(10 * time.Second)
				server.crash(func() { server.hidden = 0 })
				server.append(0, "/new")
				time.Sleep(10 * time.Second)
				_ = c.Stop(context.Background())
				mu.Lock()
				defer mu.Unlock()
				for i, text := range numbered("", 10) {
					switch {
					case acked == 0 && i < 4:
						require.Zero(t, got[text], text)
					case i < acked:
						require.Equal(t, 1, got[text], text)
					default:
						require.Equal(t, 2, got[text], text)
					}
				}
				require.Equal(t, 1, got["/new"])
			})
		})
	}
}
