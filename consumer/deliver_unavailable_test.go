package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Promise 7: while the handler can't work, delivery pauses, the check fails with the cause and no
// attempt is counted. Afterwards every message is handled, with one delivery allowed.
func TestPromiseUnavailableHandlerFailsNoMessage(t *testing.T) {
	t.Parallel()
	for scope, opts := range map[string][]consumer.UnavailableOption{
		"partition": nil, "consumer": {consumer.ForAllPartitions()},
	} {
		for _, kind := range []string{"handler", "batches", "next"} {
			t.Run(scope+" "+kind, func(t *testing.T) {
				t.Parallel()
				overServers(t, 2, func(t *testing.T, e *testEnv, cfg config.Consumer) {
					testUnavailable(t, e, cfg, kind, opts)
				})
			})
		}
	}
}

func testUnavailable(t *testing.T, e *testEnv, cfg config.Consumer, kind string, opts []consumer.UnavailableOption) {
	e.send(0, numbered("a", 20)...)
	cfg.Retry.MaxDeliveries = 1
	var violations violations
	var full atomic.Bool
	full.Store(true)
	var log logLines
	handled := newSeen()
	c := e.consumer(cfg, consumer.WithLogger(log.logger()))
	require.NoError(t, c.SetDeadLetters(deadLetterFunc(func(_ context.Context, f topic.Failure[string]) error {
		violations.add("a dead letter of %s: %v", f.Payload, f.Err)
		return nil
	})))
	handle := func(m *consumer.Message[string]) error {
		// Partition 1 has what it needs where only the partition pauses.
		if full.Load() && (m.Partition() == 0 || len(opts) > 0) {
			return consumer.Unavailable(fmt.Errorf("write: %w", errBusy), opts...)
		}
		handled.add(m.Value)
		return nil
	}
	switch kind {
	case "handler":
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error { return handle(m) }))
	case "batches":
		require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
			for _, m := range batch {
				if err := handle(m); err != nil {
					return err
				}
				m.Ack()
			}
			return nil
		}))
	}
	start(t, c)
	if kind == "next" {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for m, err := range c.Messages(ctx) {
				if err == nil {
					if err := handle(m); err != nil {
						m.Nack(err)
					}
				}
			}
		}()
	}
	eventually(t, "the check to fail", func() bool { return c.Check(t.Context()) != nil && len(c.Status().Partitions) == 2 })
	eventually(t, "the cause", func() bool {
		err := c.Check(t.Context())
		return err != nil && errors.Is(err, errBusy)
	})
	e.send(1, "b/0")
	if len(opts) == 0 {
		require.Equal(t, []string{"b/0"}, handled.wait(t, 1))
	}
	require.Error(t, c.Check(t.Context()))
	full.Store(false)
	handled.wait(t, 21)
	eventually(t, "order again", func() bool { return c.Check(t.Context()) == nil })
	violations.none(t)
	stop(t, c)
	begun := len(log.lines(t, "handler unavailable, the partition pauses")) + len(log.lines(t, "handler unavailable, the consumer pauses"))
	require.Equal(t, 1, begun)
	require.Len(t, log.lines(t, "handler available again"), 1)
	require.Empty(t, log.lines(t, "delivery failed, retrying"))
	require.Less(t, len(handled.all()), 22)
}

// A stop does not wait for a handler that is unavailable, and is clean.
func TestStopWithAnUnavailableHandler(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, "a/0", "b/0")
		cfg := fastConfig()
		cfg.DrainTimeout = time.Minute
		c := e.handling(cfg, func(context.Context, *consumer.Message[string]) error { return consumer.Unavailable(errBusy) })
		eventually(t, "the check to fail", func() bool { return errors.Is(c.Check(t.Context()), errBusy) })
		require.NoError(t, c.Stop(t.Context()))
		_, committed := e.server.Committed("s", "t", "g", 0)
		require.False(t, committed)
	})
}
