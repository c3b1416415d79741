package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Promise 6: while nothing is lost nothing comes twice, also when members join the group and leave it
// under load, and the partitions are dealt evenly each time.
func TestPromiseNothingComesTwiceWithoutALoss(t *testing.T) {
	t.Parallel()
	overTransports(t, 4, func(t *testing.T, r *transportRig) {
		all := newAttendance()
		handler := func(_ context.Context, m *consumer.Message[string]) error {
			time.Sleep(3 * time.Millisecond) // the handler's work
			all.note(placeOf(m))
			return nil
		}
		owns := func(c *consumer.Consumer[string], n int) {
			r.server.WaitFor("a fair share", func() bool { return len(c.Status().Partitions) == n })
		}
		sent := make(chan int)
		enough := make(chan struct{})
		go func() {
			n := 0
			for {
				select {
				case <-enough:
					sent <- n
					return
				case <-time.After(time.Millisecond):
					for p := range uint32(4) {
						r.send(p, fmt.Sprintf("%d/x", n))
					}
					n += 4
				}
			}
		}()
		first := r.handling(quick(), handler)
		owns(first, 4)
		second, third := r.handling(quick(), handler), r.handling(quick(), handler)
		owns(second, 1)
		owns(third, 1)
		stop(t, first) // what the others own changes with it
		owns(second, 2)
		owns(third, 2)
		stop(t, second)
		owns(third, 4)
		close(enough)
		all.wait(t, received(t, "the sender", sent))
		stop(t, third)
		require.Zero(t, all.repeated())
	})
}

// Promise 6: without commits nothing is delivered beyond the bound, so that no crash can bring back more.
func TestPromiseDeliveryWaitsForCommits(t *testing.T) {
	t.Parallel()
	overTransports(t, 3, func(t *testing.T, r *transportRig) {
		const each, partitions, window, every = 100, 3, 8, 12
		for p := range uint32(partitions) {
			r.send(p, numbered("", each)...)
		}
		refused := r.server.Inject(iggytest.Answer(13000).On(embedded.StoreOffset).When(func(req iggytest.Request) bool {
			return binary.LittleEndian.Uint64(req.Body[len(req.Body)-8:]) < 1<<61
		}))
		cfg := quick()
		cfg.MaxInFlight, cfg.CommitEvery = window, every
		all := newAttendance()
		r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.note(placeOf(m))
			return nil
		})
		all.wait(t, partitions*(window+every))
		refused.Wait(refused.Count() + 2*partitions)
		all.mu.Lock()
		require.Len(t, all.times, partitions*(window+every))
		all.mu.Unlock()
		refused.Remove()
		all.wait(t, partitions*each)
		require.Zero(t, all.repeated())
	})
}

// Promise 6: what comes again after a crash is bounded by the window in flight: max_in_flight and
// commit_every together, for each partition.
func TestPromiseDuplicatesAreBounded(t *testing.T) {
	t.Parallel()
	overTransports(t, 3, func(t *testing.T, r *transportRig) {
		const each, partitions, window, every, crashes = 400, 3, 8, 12, 5
		for p := range uint32(partitions) {
			r.send(p, numbered("", each)...)
		}
		cfg := quick()
		cfg.MaxInFlight, cfg.CommitEvery, cfg.CommitInterval = window, every, time.Hour
		all := newAttendance()
		for n := range crashes {
			// To the server, a process that is killed is a connection that ends and does not come back.
			life := iggytest.NewProxy(t, r.server.Endpoint())
			doomed := *r
			doomed.cluster.Endpoint = "iggy://" + life.Endpoint()
			crash := sync.OnceFunc(func() {
				life.StopListening()
				life.CutConnections()
			})
			doomed.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
				if all.note(placeOf(m)) >= 200*(n+1) {
					crash()
				}
				return nil
			})
			all.wait(t, 200*(n+1))
			r.server.WaitFor("the server to notice", func() bool { return r.server.Members("s", "t", "g") == 0 })
		}
		last := r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.note(placeOf(m))
			return nil
		})
		all.wait(t, partitions*each)
		stop(t, last)
		require.Positive(t, all.repeated(), "nothing came again: the test proves nothing")
		require.LessOrEqual(t, all.repeated(), crashes*partitions*(window+every))
	})
}

// Promise 6: with deduplication on, a message that was stored twice, as after a lost answer, is
// handled once, in the window of ids; what was acknowledged before a lost connection is not handled again after it.
func TestPromiseDeduplication(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		cfg := quick()
		cfg.DedupWindow, cfg.CommitInterval, cfg.CommitEvery = 100, time.Hour, 1000
		var b wire.Batch
		id := func(n int) [16]byte { return [16]byte{9, byte(n >> 8), byte(n)} }
		for n := 1; n <= 50; n++ {
			b.Append(id(n), 0, []byte("x"), nil)
		}
		r.sendBatch(0, &b)
		r.sendBatch(0, &b) // the same again
		all := newAttendance()
		c := r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.note(placeOf(m))
			return nil
		})
		all.wait(t, 50)

		r.server.CutConnections() // nothing was committed
		r.conn = r.connect()
		var more wire.Batch
		more.Append(id(20), 0, []byte("x"), nil) // once more
		for n := 51; n <= 200; n++ {
			more.Append(id(n), 0, []byte("x"), nil)
		}
		more.Append(id(1), 0, []byte("x"), nil) // forgotten by now: 150 others came since
		r.sendBatch(0, &more)
		all.wait(t, 50+150+1)
		stop(t, c)
		require.Zero(t, all.repeated())
		require.Len(t, all.times, 50+151)
		for offset := range uint64(50 + 50 + 1 + 151) {
			_, handled := all.times[place{0, offset}]
			require.Equal(t, offset < 50 || offset > 100, handled, "message %d", offset)
		}
	})
}
