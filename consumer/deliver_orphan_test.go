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

// outcome is the result of a call of Next.
type outcome struct {
	m   *consumer.Message[string]
	err error
}

// nextInBackground calls Next in the background.
func nextInBackground(t *testing.T, c *consumer.Consumer[string]) <-chan outcome {
	came := make(chan outcome, 1)
	go func() {
		m, err := c.Next(t.Context())
		came <- outcome{m, err}
	}()
	return came
}

// Promise 5: messages that Next returned count as in flight after their partition was lost, and are
// not delivered a second time, until the application settles them.
func TestPromiseOrphansOfNextCountAsInFlight(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, numbered("", 10)...)
		cfg := fastConfig()
		cfg.MaxInFlight = 3
		c := e.member(cfg)
		start(t, c)
		var held []*consumer.Message[string]
		for range 3 {
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			require.NoError(t, m.Context().Err())
			held = append(held, m)
		}
		e.reconnected(c, held)
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
		got := received(t, "the next message", nextInBackground(t, c))
		require.NoError(t, got.err)
		require.Zero(t, got.m.Offset(), "acknowledging had no effect")
		require.NoError(t, got.m.Context().Err())
		got.m.Ack()
		for range 9 {
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			m.Ack()
		}
		e.server.WaitCommitted("s", "t", "g", 0, 9)
		stop(t, c)
	})
}

// Promise 5: so do messages that a handler kept with ack_mode manual.
func TestPromiseOrphansOfManualAckCountAsInFlight(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, numbered("", 10)...)
		cfg := fastConfig()
		cfg.MaxInFlight, cfg.AckMode = 3, config.AckManual
		came := make(chan *consumer.Message[string], 20)
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			came <- m
			return nil
		})
		var held []*consumer.Message[string]
		for range 3 {
			held = append(held, received(t, "messages", came))
		}
		e.reconnected(c, held)
		for i, m := range held {
			require.Equal(t, 3-i, c.Status().InFlight)
			require.Empty(t, came)
			m.Ack()
		}
		for range 10 {
			received(t, "messages", came).Ack()
		}
		e.server.WaitCommitted("s", "t", "g", 0, 9)
	})
}

// Promise 5: lost messages to which the application has no reference do not stop its consumer for
// good.
func TestPromiseUnreferencedOrphansEnd(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, numbered("", 10)...)
		cfg := fastConfig()
		cfg.MaxInFlight = 3
		c := e.member(cfg)
		start(t, c)
		func() {
			var held []*consumer.Message[string]
			for range 3 {
				m, err := c.Next(t.Context())
				require.NoError(t, err)
				held = append(held, m)
			}
			e.reconnected(c, held)
		}()
		fourth := nextInBackground(t, c)
		require.Empty(t, fourth)
		var got outcome
		e.server.WaitFor("the forgotten to be found", func() bool {
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

// Promise 5: orphaned deliveries of a lost partition do not use the part of other partitions.
func TestPromiseOrphansLeaveQuotaToOthers(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		e.send(0, numbered("", 10)...)
		cfg := fastConfig()
		cfg.MaxInFlight = 4
		c := e.member(cfg)
		start(t, c)
		var held []*consumer.Message[string]
		for range 3 { // one is reserved for the other partition
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			held = append(held, m)
		}
		e.server.CutConnections()
		for _, m := range held {
			received(t, "the context to end", m.Context().Done())
		}
		e.testEnv.conn = e.connect() // its own was cut, too
		e.send(1, numbered("", 10)...)
		for i := range 10 {
			got := received(t, "a message of the other partition", nextInBackground(t, c))
			require.NoError(t, got.err)
			require.Equal(t, location{1, uint64(i)}, locationOf(got.m))
			got.m.Ack()
		}
		for _, m := range held {
			m.Ack()
		}
		eventually(t, "nothing in flight", func() bool { return c.Status().InFlight == 0 })
		stop(t, c)
	})
}
