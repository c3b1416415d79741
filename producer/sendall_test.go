package producer_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestSendAll(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.SendAll(t.Context()))
		var messages []producer.Message
		for i := range 100 {
			messages = append(messages, message("k", fmt.Sprintf("%03d", i)))
		}
		require.NoError(t, p.SendAll(t.Context(), messages...))
		require.Equal(t, 1, s.count(&s.requests), "messages sent together leave together")
		require.IsIncreasing(t, s.payloads("t", wire.PartitionOf("k", 4)))

		messages = []producer.Message{message("k", "good"), message("k", ""), message("k", "good")}
		err := p.SendAll(t.Context(), messages...)
		var all *producer.SendAllError
		require.ErrorAs(t, err, &all)
		require.ErrorIs(t, err, iggyerr.ErrEmptyPayload)
		require.Len(t, all.Results, 3)
		require.Equal(t, producer.Confirmed, all.Results[0].Outcome)
		require.Equal(t, producer.Failed, all.Results[1].Outcome)
		require.Equal(t, producer.Confirmed, all.Results[2].Outcome)
		require.ErrorContains(t, err, "of 3 messages 1 failed and 0 are unknown")
	})
}
