package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestDuplicatesByIDAreDropped(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	cfg := fastConfig()
	cfg.DedupWindow = 10
	log := newHandlerLog()
	e.worker(cfg, log, 0)
	e.send(0, "a/0")
	e.written.Store(0) // the same id again
	e.send(0, "a/again", "a/1")
	log.wait(t, 2)
	require.NotContains(t, log.times, "a/again")
	e.server.WaitCommitted("s", "t", "g", 0, 2)
}

// Promise 6: with deduplication on, a message that was stored twice, as after a lost answer, is
// handled once, in the window of ids; what was acknowledged before a lost connection is not handled again after it.
func TestPromiseDeduplication(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		cfg := fastConfig()
		cfg.DedupWindow, cfg.CommitInterval, cfg.CommitEvery = 100, time.Hour, 1000
		var b wire.Batch
		id := func(n int) [16]byte { return [16]byte{9, byte(n >> 8), byte(n)} }
		for n := 1; n <= 50; n++ {
			b.Append(id(n), 0, []byte("x"), nil)
		}
		e.sendBatch(0, &b)
		e.sendBatch(0, &b) // the same again
		all := newDeliveryCount()
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.add(locationOf(m))
			return nil
		})
		all.wait(t, 50)

		e.server.CutConnections() // nothing was committed
		e.conn = e.connect()
		var more wire.Batch
		more.Append(id(20), 0, []byte("x"), nil) // once more
		for n := 51; n <= 200; n++ {
			more.Append(id(n), 0, []byte("x"), nil)
		}
		more.Append(id(1), 0, []byte("x"), nil) // forgotten by now: 150 others came since
		e.sendBatch(0, &more)
		all.wait(t, 50+150+1)
		stop(t, c)
		require.Zero(t, all.repeats())
		require.Len(t, all.times, 50+151)
		for offset := range uint64(50 + 50 + 1 + 151) {
			_, handled := all.times[location{0, offset}]
			require.Equal(t, offset < 50 || offset > 100, handled, "message %d", offset)
		}
	})
}
