package producer_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// max_retries also bounds the retries for a partition that the metadata has and the server refuses.
func TestRetriesOfAbsentPartitionAreBounded(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 2} {
		t.Run(strconv.Itoa(retries), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				s.partitions("t", 1)
				p := start(t, s, func(c *config.Producer) { c.Retry.MaxRetries = retries })
				s.fail(always(notFound))
				_, err := p.Send(t.Context(), message("k", "x"))
				var send *producer.SendError
				require.ErrorAs(t, err, &send)
				require.ErrorIs(t, err, iggyerr.ErrNotFound)
				require.Equal(t, retries+1, send.Attempts)
				require.NoError(t, p.Stop(context.Background()))
			})
		})
	}
}

func TestRequestForKnownPartitionIsRetriedWhenNotFound(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(first(notFound))
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
		require.Equal(t, []string{"x"}, s.payloads("t", wire.PartitionOf("k", 4)))
		require.Equal(t, 2, s.count(&s.reads))
		require.EqualValues(t, 1, p.Status().Retries)
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		faults   []fault
		retries  int
		outcome  producer.Outcome
		attempts int
		copies   int // in the log
		cause    error
	}{
		"confirmed at once":             {nil, 2, producer.Confirmed, 1, 1, nil},
		"not sent, then confirmed":      {[]fault{cutBefore}, 2, producer.Confirmed, 2, 1, nil},
		"answer lost, sent again":       {[]fault{cutStored}, 2, producer.Confirmed, 2, 2, nil},
		"sent, not stored, sent again":  {[]fault{cutUnstored}, 2, producer.Confirmed, 2, 1, nil},
		"retries used up, never sent":   {[]fault{cutBefore, cutBefore, cutBefore}, 2, producer.Failed, 3, 0, nil},
		"retries used up, perhaps sent": {[]fault{cutBefore, cutUnstored, cutBefore}, 2, producer.Unknown, 3, 0, nil},
		"no retries, answer lost":       {[]fault{cutStored}, 0, producer.Unknown, 1, 1, nil},
		"no retries, never sent":        {[]fault{cutBefore}, 0, producer.Failed, 1, 0, nil},
		"refused for good":              {[]fault{unauthorized}, 2, producer.Failed, 1, 0, nil},
		"refused after a lost answer":   {[]fault{cutStored, unauthorized}, 2, producer.Unknown, 2, 1, nil},
		"the server can't tell":         {[]fault{failStored}, 0, producer.Unknown, 1, 1, nil},
		"without end":                   {[]fault{cutBefore, cutBefore, cutBefore, cutBefore, cutBefore}, -1, producer.Confirmed, 6, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := func(c *config.Producer) { c.Retry.MaxRetries = tt.retries }
			run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
				s.fail(first(tt.faults...))
				_, err := p.Send(t.Context(), message("k", "x"))
				require.Equal(t, tt.outcome, producer.OutcomeOf(err))
				got := s.stored("t", wire.PartitionOf("k", 4))
				require.Len(t, got, tt.copies)
				for _, m := range got {
					m.order = got[0].order
					require.Equal(t, got[0], m, "the same bytes and id")
				}
				require.Equal(t, tt.attempts, s.count(&s.requests))
				if err != nil {
					var failure *producer.SendError
					require.ErrorAs(t, err, &failure)
					require.Equal(t, tt.attempts, failure.Attempts)
					require.EqualValues(t, wire.PartitionOf("k", 4), failure.Partition)
					require.ErrorContains(t, err, "s/t")
					require.ErrorContains(t, err, tt.outcome.String())
				}
				require.EqualValues(t, tt.attempts-1, p.Status().Retries)
			})
		})
	}
}
