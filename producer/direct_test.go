package producer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// runWithIdleSender sends a first message, so that the partition's sender runs and is idle: a
// caller that waits then sends its message itself.
func runWithIdleSender(t *testing.T, change func(*config.Producer), test func(t *testing.T, s *server, p *producer.Producer)) {
	t.Helper()
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "first"))))
		synctest.Wait()
		test(t, s, p)
	})
}

func TestMessagesWaitForDirectSend(t *testing.T) {
	t.Parallel()
	runWithIdleSender(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		done := make(chan error)
		go func() { done <- errOf(p.Send(t.Context(), message("k", "direct"))) }()
		synctest.Wait()
		for _, payload := range []string{"a", "b", "c"} {
			p.SendAsync(t.Context(), message("k", payload), nil)
		}
		synctest.Wait()
		require.Equal(t, 2, s.count(&s.requests), "one request in flight for the partition")
		require.NoError(t, p.Flush(t.Context()))
		require.NoError(t, <-done)
		require.Equal(t, []string{"first", "direct", "a", "b", "c"}, s.payloads("t", wire.PartitionOf("k", 4)))
		require.Equal(t, 3, s.count(&s.requests))
	})
}

func TestFailedDirectSendIsRetriedBySender(t *testing.T) {
	t.Parallel()
	runWithIdleSender(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(first(cutStored, cutUnstored))
		done := make(chan error)
		go func() { done <- errOf(p.Send(t.Context(), message("k", "direct"))) }()
		synctest.Wait()
		p.SendAsync(t.Context(), message("k", "later"), nil)
		require.NoError(t, <-done)
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"first", "direct", "direct", "later"}, s.payloads("t", wire.PartitionOf("k", 4)))
		require.EqualValues(t, 2, p.Status().Retries)
	})
}

func TestDirectSendEndsWithItsContext(t *testing.T) {
	t.Parallel()
	errMine := errors.New("my cause")
	runWithIdleSender(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(first(stallStored, cutBefore))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
		defer cancel()
		started := time.Now()
		_, err := p.Send(ctx, message("k", "unknown"))
		require.ErrorIs(t, err, errMine)
		require.Equal(t, producer.Unknown, producer.OutcomeOf(err))
		require.Equal(t, time.Second, time.Since(started))
		require.Zero(t, p.Status().BufferedMessages, "it has its outcome")
		require.EqualValues(t, 1, p.Status().Unknown)
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "next"))))
	})
}

func TestStopEndsDirectSend(t *testing.T) {
	t.Parallel()
	runWithIdleSender(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(always(stallUnstored))
		done := make(chan error, 1)
		go func() { done <- errOf(p.Send(t.Context(), message("k", "x"))) }()
		synctest.Wait()
		started := time.Now()
		err := p.Stop(t.Context())
		require.Equal(t, 5*time.Second, time.Since(started))
		var left *producer.StopError
		require.ErrorAs(t, err, &left)
		require.Equal(t, []producer.Remainder{{Stream: "s", Topic: "t", Unknown: 1}}, left.Remainders)
		err = <-done
		require.ErrorIs(t, err, iggyerr.ErrClosed)
		require.Equal(t, producer.Unknown, producer.OutcomeOf(err))
	})
}

func TestDirectSendWithoutRetriesFails(t *testing.T) {
	t.Parallel()
	runWithIdleSender(t, func(c *config.Producer) { c.Retry.MaxRetries = 0 }, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(first(cutStored))
		_, err := p.Send(t.Context(), message("k", "x"))
		require.Equal(t, producer.Unknown, producer.OutcomeOf(err))
		require.Equal(t, 2, s.count(&s.requests), "no more than one attempt")
		s.partitions("t", 0)
		_, err = p.Send(t.Context(), message("k", "x"))
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		require.Equal(t, producer.Failed, producer.OutcomeOf(err))
	})
}
