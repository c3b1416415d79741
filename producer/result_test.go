package producer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// Send returns where the message is stored, as SendAsync reports it.
func TestSendReturnsWhereMessageIsStored(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		r, err := p.Send(t.Context(), message("k", "x"))
		require.NoError(t, err)
		stored := s.stored("t", wire.PartitionOf("k", 4))
		require.Len(t, stored, 1)
		require.Equal(t, producer.Result{Outcome: producer.Confirmed, ID: stored[0].id, Partition: wire.PartitionOf("k", 4)}, r)
		require.NotZero(t, r.ID)
	})
}

// The result of a message that failed has its id, too: it may be sent again with it.
func TestResultsOfUnconfirmedMessagesHaveTheirIDs(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		empty := message("k", "")
		empty.ID = [16]byte{7}
		r, err := p.Send(t.Context(), empty)
		require.ErrorIs(t, err, iggyerr.ErrEmptyPayload)
		require.Equal(t, producer.Result{Outcome: producer.Failed, ID: [16]byte{7}, Err: err}, r)
		r, err = p.Send(nil, empty) //nolint:staticcheck // the case
		require.Error(t, err)
		require.Equal(t, producer.Result{Outcome: producer.Failed, ID: [16]byte{7}, Err: err}, r)

		s.set(func() { s.delay = 6 * time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		sent, err := p.Send(ctx, message("k", "sent"))
		require.Error(t, err)
		require.Equal(t, producer.Unknown, sent.Outcome)
		synctest.Wait()

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		other := message("", "also sent")
		other.Partition = producer.OnPartition((wire.PartitionOf("k", 4) + 1) % 4)
		var all *producer.SendAllError
		require.ErrorAs(t, p.SendAll(ctx, other, message("k", "withdrawn"), empty), &all)
		require.Equal(t, producer.Unknown, all.Results[0].Outcome)
		require.Equal(t, producer.Failed, all.Results[1].Outcome)
		require.NotZero(t, all.Results[1].ID)
		require.Equal(t, [16]byte{7}, all.Results[2].ID)
		require.NoError(t, p.Flush(t.Context()))
		ids := map[[16]byte]string{}
		for _, m := range s.log("t") {
			ids[m.id] = m.payload
		}
		require.Equal(t, map[[16]byte]string{sent.ID: "sent", all.Results[0].ID: "also sent"}, ids)
	})
}
