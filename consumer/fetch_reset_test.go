package consumer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestMessagesAfterATruncationAreRead(t *testing.T) {
	t.Parallel()
	for name, standalone := range map[string]*consumer.Standalone{
		"group": nil, "named": {Name: "n"}, "anonymous": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1)
			e.send(0, numbered("old", 10)...)
			var opts []consumer.Option
			if standalone != nil {
				opts = append(opts, consumer.WithStandalone(*standalone))
			}
			log := newHandlerLog()
			c := e.worker(fastConfig(), log, 0, opts...)
			log.wait(t, 10)
			e.server.WaitFor("the commit", func() bool {
				p := c.Status().Partitions
				return name == "anonymous" || len(p) == 1 && p[0].HasCommitted && p[0].Committed == 9
			})
			e.server.Crash()
			e.server.Start()
			e.recreate(1)
			e.send(0, numbered("new", 3)...)
			log.wait(t, 13)
			e.send(0, numbered("newer", 20)...)
			log.wait(t, 33)
			require.Zero(t, log.doubled)
			stop(t, c)
		})
	}
}

// A kill -9 leaves the real server like this: logs end where they were written last, stored offsets
// are restored as 0, and new messages get the offsets of lost ones before the consumer is connected
// again.
func TestLogOfAKilledServerIsReadOn(t *testing.T) {
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
				log := newHandlerLog()
				c := startInBubble(t, server, nil, func(_ context.Context, m *consumer.Message[string]) error {
					log.done(m.Value)
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
				// The connection ends once more before and after new messages arrive.
				server.crash(func() {})
				time.Sleep(10 * time.Second)
				server.append(0, numbered("newer", 5)...)
				time.Sleep(10 * time.Second)
				server.crash(func() {})
				time.Sleep(10 * time.Second)
				require.NoError(t, c.Stop(context.Background()))
				want += tt.added + 5
				require.Len(t, log.times, want, "%v", log.times)
				if tt.kept < 10 {
					require.Zero(t, log.doubled)
				}
			})
		})
	}
}

// A log that only seems truncated, since metadata is late, must not lose what is not acknowledged,
// also when that is of the same batch, and so of the same time, as what is.
func TestLogThatOnlySeemsTruncatedIsReadOn(t *testing.T) {
	t.Parallel()
	for name, acked := range map[string]int{"some acknowledged": 5, "none acknowledged": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(1)
				server.append(0, numbered("", 10)...)
				if acked == 0 {
					server.stored[0] = 3 // by an earlier process
				}
				got := map[string]int{}
				var mu sync.Mutex
				c := startInBubble(t, server, func(cfg *config.Consumer) { cfg.AckMode, cfg.BatchSize = config.AckManual, 4 }, func(ctx context.Context, m *consumer.Message[string]) error {
					mu.Lock()
					defer mu.Unlock()
					if got[m.Value]++; int(m.Offset()) < acked || got[m.Value] > 1 || m.Value == "/new" {
						m.Ack()
					} else {
						context.AfterFunc(ctx, m.Ack) // too late: it is delivered again
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

// Promise 4: a server that was killed restores a partition empty and its stored offset as 0. A
// consumer that sees that deletes the offset, so that a process that starts later, when there is a
// new message at 0, does not take that message for handled.
func TestPromiseOffsetOfATruncatedLogHidesNoMessage(t *testing.T) {
	t.Parallel()
	for name, alive := range map[string]bool{"seen by one that lived through it": true, "seen by a fresh one": false} {
		for _, by := range []config.Transport{config.TransportSDK, config.TransportNative} {
			t.Run(name+" "+string(by), func(t *testing.T) {
				t.Parallel()
				e := &transportEnv{testEnv: newTestEnv(t, 1, embedded.WithDirectory(t.TempDir()))}
				e.cluster = e.iggy
				e.cluster.Transport = by
				e.send(0, numbered("old", 10)...)
				got := newSeen()
				handler := func(_ context.Context, m *consumer.Message[string]) error {
					got.add(m.Value)
					return nil
				}
				witness := e.handling(fastConfig(), handler)
				got.wait(t, 10)
				e.server.WaitCommitted("s", "t", "g", 0, 9)
				if !alive {
					stop(t, witness)
				}
				e.server.Crash()
				e.server.Start()
				if !alive {
					offset, ok := e.server.Committed("s", "t", "g", 0)
					require.True(t, ok)
					require.Zero(t, offset)
					witness = e.handling(fastConfig(), handler)
				}
				e.server.WaitFor("the offset to be deleted", func() bool {
					_, ok := e.server.Committed("s", "t", "g", 0)
					s := witness.Status()
					return !ok && s.Joined && len(s.Partitions) == 1 && !s.Partitions[0].HasCommitted
				})
				stop(t, witness)
				e.conn = e.connect()
				e.send(0, "new/0")
				fresh := e.handling(fastConfig(), handler)
				require.Equal(t, "new/0", got.wait(t, 11)[10])
				e.server.WaitCommitted("s", "t", "g", 0, 0)
				stop(t, fresh)
				require.Len(t, got.all(), 11)
			})
		}
	}
}
