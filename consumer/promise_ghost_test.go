package consumer_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// outcome is what a call of Next gave.
type outcome struct {
	m   *consumer.Message[string]
	err error
}

// asked calls Next in the background.
func asked(t *testing.T, c *consumer.Consumer[string]) <-chan outcome {
	came := make(chan outcome, 1)
	go func() {
		m, err := c.Next(t.Context())
		came <- outcome{m, err}
	}()
	return came
}

// reconnected cuts the connections and waits until the consumer owns partitions again, and has read ahead.
func (r *transportRig) reconnected(c *consumer.Consumer[string], held []*consumer.Message[string]) {
	r.t.Helper()
	r.server.CutConnections()
	for _, m := range held {
		received(r.t, "the context to end", m.Context().Done())
		require.ErrorIs(r.t, context.Cause(m.Context()), consumer.ErrLost)
	}
	r.server.WaitFor("the partition to come back", func() bool {
		s := c.Status()
		return s.Joined && len(s.Partitions) == 1 && s.Buffered > 0
	})
}

// Promise 5: messages that were taken by Next keep their places after their partition was lost, until the
// application has ended them, and are not given out a second time before that.
func TestPromiseTakenMessagesCountAfterALoss(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, numbered("", 10)...)
		cfg := quick()
		cfg.MaxInFlight = 3
		c := r.member(cfg)
		start(t, c)
		var held []*consumer.Message[string]
		for range 3 {
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			require.NoError(t, m.Context().Err())
			held = append(held, m)
		}
		r.reconnected(c, held)
		for i, m := range held {
			require.Equal(t, 3-i, c.Status().InFlight)
			short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := c.Next(short)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			switch i {
			case 0:
				m.Ack()
				m.Ack() // once is enough
			case 1:
				m.Nack(nil)
			default:
				require.ErrorIs(t, m.AckSync(t.Context()), consumer.ErrLost)
			}
		}
		got := received(t, "the next message", asked(t, c))
		require.NoError(t, got.err)
		require.Zero(t, got.m.Offset(), "acknowledging had no effect")
		require.NoError(t, got.m.Context().Err())
		got.m.Ack()
		for range 9 {
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			m.Ack()
		}
		r.server.WaitCommitted("s", "t", "g", 0, 9)
		stop(t, c)
	})
}

// Promise 5: and so do messages that a handler kept, with ack_mode manual.
func TestPromiseKeptMessagesCountAfterALoss(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, numbered("", 10)...)
		cfg := quick()
		cfg.MaxInFlight, cfg.AckMode = 3, config.AckManual
		came := make(chan *consumer.Message[string], 20)
		c := r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			came <- m
			return nil
		})
		var held []*consumer.Message[string]
		for range 3 {
			held = append(held, received(t, "messages", came))
		}
		r.reconnected(c, held)
		for i, m := range held {
			require.Equal(t, 3-i, c.Status().InFlight)
			require.Empty(t, came)
			m.Ack()
		}
		for range 10 {
			received(t, "messages", came).Ack()
		}
		r.server.WaitCommitted("s", "t", "g", 0, 9)
	})
}

// Promise 5: an application that forgets what it lost does not stop its consumer for good.
func TestPromiseForgottenMessagesEndWithTheirMemory(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, numbered("", 10)...)
		cfg := quick()
		cfg.MaxInFlight = 3
		c := r.member(cfg)
		start(t, c)
		func() {
			var held []*consumer.Message[string]
			for range 3 {
				m, err := c.Next(t.Context())
				require.NoError(t, err)
				held = append(held, m)
			}
			r.reconnected(c, held)
		}()
		fourth := asked(t, c)
		require.Empty(t, fourth)
		var got outcome
		r.server.WaitFor("the forgotten to be found", func() bool {
			runtime.GC()
			select {
			case got = <-fourth:
				return true
			default:
				return false
			}
		})
		require.NoError(t, got.err)
		require.Zero(t, got.m.Offset())
		got.m.Ack()
	})
}

// Seek forgets what is in hand: nothing waits for it.
func TestSeekWaitsForNoMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, numbered("", 10)...)
	cfg := quick()
	cfg.MaxInFlight = 1
	c := r.consumer(cfg)
	start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first, err := c.Next(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Seek(ctx, 0, consumer.Offset(5)))
	second, err := c.Next(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 5, second.Offset())
	require.ErrorIs(t, context.Cause(first.Context()), consumer.ErrLost)
	first.Ack()
	second.Ack()
	third, err := c.Next(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 6, third.Offset())
	third.Ack()
	stop(t, c)
}

// Messages ends its messages itself, also those that were lost.
func TestLoopGoesOnAfterALoss(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, numbered("", 10)...)
		cfg := quick()
		cfg.MaxInFlight = 1
		c := r.member(cfg)
		start(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var offsets []uint64
		for m, err := range c.Messages(ctx) {
			require.NoError(t, err)
			offsets = append(offsets, m.Offset())
			if len(offsets) == 3 {
				r.reconnected(c, []*consumer.Message[string]{m})
			}
			if m.Offset() == 9 {
				m.Ack()
				break
			}
		}
		require.Equal(t, []uint64{0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9}, offsets)
		stop(t, c)
	})
}

// Promise 5: what is still in hand of a lost partition does not take the other partitions' part.
func TestPromiseKeptMessagesLeaveOthersTheirPart(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, r *transportRig) {
		r.send(0, numbered("", 10)...)
		cfg := quick()
		cfg.MaxInFlight = 4
		c := r.member(cfg)
		start(t, c)
		var held []*consumer.Message[string]
		for range 3 { // one place is the other partition's
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			held = append(held, m)
		}
		r.server.CutConnections()
		for _, m := range held {
			received(t, "the context to end", m.Context().Done())
		}
		r.rig.conn = r.connect() // its own was cut, too
		r.send(1, numbered("", 10)...)
		for i := range 10 {
			got := received(t, "a message of the other partition", asked(t, c))
			require.NoError(t, got.err)
			require.Equal(t, place{1, uint64(i)}, placeOf(got.m))
			got.m.Ack()
		}
		for _, m := range held {
			m.Ack()
		}
		eventually(t, "nothing in hand", func() bool { return c.Status().InFlight == 0 })
		stop(t, c)
	})
}
