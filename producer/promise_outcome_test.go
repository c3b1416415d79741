package producer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// requireOutcomesMatchLog fails when the stored messages contradict the outcomes.
func (s *testServer) requireOutcomesMatchLog(t *testing.T, outcomes map[[16]byte]producer.Outcome) {
	t.Helper()
	stored := s.storedByID()
	for id, outcome := range outcomes {
		switch outcome {
		case producer.Confirmed:
			require.NotEmpty(t, stored[id], "message %x is confirmed and not stored", id)
		case producer.Failed:
			require.Empty(t, stored[id], "message %x failed and is stored", id)
		default:
			require.Equal(t, producer.Unknown, outcome)
		}
	}
}

// Promise 1: each message gets exactly one outcome, and it is true.
func TestPromiseEachMessageHasOneTrueOutcome(t *testing.T) {
	t.Parallel()
	overTransports(t, 4, func(t *testing.T, s *testServer) {
		s.cluster.RequestTimeout = 200 * time.Millisecond
		s.injectFaults()
		s.server.Inject(iggytest.Answer(41).On(embedded.SendMessages).Chance(0.05, 8)) // not permitted: no retry
		cfg := retryForever()
		cfg.Retry.MaxRetries = 1
		cfg.MaxBatchMessages = 20
		p := s.producer(t, cfg)

		const senders, each = 12, 80
		got := newOutcomeLog()
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				var batch []producer.Message
				for n := range each {
					r := numberedMessage(fmt.Sprintf("key-%d", i), n)
					switch i % 3 {
					case 0:
						got.add(r.ID, producer.OutcomeOf(errOf(p.Send(t.Context(), r))))
					case 1:
						p.SendAsync(t.Context(), r, func(res producer.Result) { got.add(res.ID, res.Outcome) })
					default:
						if batch = append(batch, r); len(batch) < 10 {
							continue
						}
						err := p.SendAll(t.Context(), batch...)
						var some *producer.SendAllError
						for j, r := range batch {
							if errors.As(err, &some) {
								got.add(r.ID, some.Results[j].Outcome)
							} else {
								got.add(r.ID, producer.OutcomeOf(err))
							}
						}
						batch = batch[:0]
					}
				}
			})
		}
		wg.Wait()
		outcomes := got.waitForAll(t, senders*each)
		require.Len(t, outcomes, senders*each)
		s.requireOutcomesMatchLog(t, outcomes)
		require.Positive(t, count(outcomes, producer.Confirmed))
		require.Positive(t, count(outcomes, producer.Failed))
		require.Positive(t, count(outcomes, producer.Unknown))
		status := p.Status()
		require.EqualValues(t, count(outcomes, producer.Confirmed), status.Confirmed)
		require.EqualValues(t, count(outcomes, producer.Failed), status.Failed)
		require.EqualValues(t, count(outcomes, producer.Unknown), status.Unknown)
		require.Zero(t, status.BufferedMessages)
		require.Zero(t, status.BufferedBytes)
	})
}

// Promise 1: when a caller stops waiting and gets the outcome Failed, its message is never stored.
func TestPromiseWithdrawnMessagesAreNeverStored(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, s *testServer) {
		s.server.Inject(iggytest.Delay(5 * time.Millisecond).On(embedded.SendMessages))
		p := s.producer(t, retryForever())
		got := newOutcomeLog()
		const senders, each = 8, 20
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for n := range each {
					r := numberedMessage(fmt.Sprintf("key-%d", i), n)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%6)*2*time.Millisecond)
					got.add(r.ID, producer.OutcomeOf(errOf(p.Send(ctx, r))))
					cancel()
				}
			})
		}
		wg.Wait()
		require.NoError(t, p.Flush(t.Context()))
		outcomes := got.waitForAll(t, senders*each)
		s.requireOutcomesMatchLog(t, outcomes)
		require.Positive(t, count(outcomes, producer.Failed))
		require.Positive(t, count(outcomes, producer.Unknown))
	})
}

// Promises 1 and 8: a Stop that can't flush drops nothing silently. Each message has its outcome
// when Stop returns, and the error counts them.
func TestPromiseStopGivesEachMessageItsOutcome(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, s *testServer) {
		cfg := retryForever()
		cfg.DrainTimeout = 300 * time.Millisecond
		cfg.MaxBatchMessages = 10
		p := s.producer(t, cfg)
		got := newOutcomeLog()
		send := func(key string, n int) {
			for i := range n {
				p.SendAsync(t.Context(), numberedMessage(key, i), func(r producer.Result) { got.add(r.ID, r.Outcome) })
			}
		}
		send("before", 50)
		got.waitForAll(t, 50)
		s.server.Inject(iggytest.Silence().AfterEffect().On(embedded.SendMessages))
		send("during-a", 40)
		send("during-b", 40)

		began := time.Now()
		err := p.Stop(t.Context())
		require.Less(t, time.Since(began), 10*time.Second)
		var left *producer.StopError
		require.ErrorAs(t, err, &left)
		outcomes := got.waitForAll(t, 130)
		require.Len(t, outcomes, 130)
		s.requireOutcomesMatchLog(t, outcomes)
		require.Len(t, left.Remainders, 1)
		require.EqualValues(t, count(outcomes, producer.Failed), left.Remainders[0].Failed)
		require.EqualValues(t, count(outcomes, producer.Unknown), left.Remainders[0].Unknown)
		require.Positive(t, left.Remainders[0].Unknown)
		require.Equal(t, 80, count(outcomes, producer.Failed)+count(outcomes, producer.Unknown))
	})
}
