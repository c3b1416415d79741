package producer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// A message that was encoded before is stored as if it had been published.
func TestEncodedMessageIsWhatPublishSends(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		opts := []producer.PublishOption{
			producer.WithID([16]byte{7}), producer.WithHeaders(topic.Header{Key: "x", Value: "1"}, topic.Header{Key: "Message-Type", Value: "fruit"}),
		}
		published, err := producer.For(p, words).Publish(t.Context(), wrapperspb.String("apple"), opts...)
		require.NoError(t, err)
		m, err := producer.Encode(words, wrapperspb.String("apple"), opts...)
		require.NoError(t, err)
		sent, err := p.Send(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, published, sent)
		stored := s.log("t")
		require.Len(t, stored, 2)
		require.Equal(t, stored[0].payload, stored[1].payload)
		require.Equal(t, stored[0].headers, stored[1].headers)
		require.Equal(t, "fruit", stored[1].headers["Message-Type"])
		require.NotContains(t, stored[1].headers, topic.HeaderMessageType)

		m, err = producer.Encode(words, wrapperspb.String("apple"), producer.WithKey("k"), producer.WithPartition(3))
		require.NoError(t, err)
		require.Equal(t, "k", m.Key)
		require.Equal(t, producer.OnPartition(3), m.Partition)
		require.Zero(t, m.ID)
	})
}

func TestEncodeRefusesWhatPublishRefuses(t *testing.T) {
	t.Parallel()
	bytes := topic.New("s", "t", topic.Bytes())
	_, err := producer.Encode(bytes, nil)
	require.ErrorIs(t, err, iggyerr.ErrEmptyPayload)
	_, err = producer.Encode(bytes, make([]byte, iggyerr.MaxPayloadBytes+1))
	require.ErrorIs(t, err, iggyerr.ErrTooLarge)
	_, err = producer.Encode(bytes, []byte("x"), producer.WithHeaders(topic.Header{Key: "a"}))
	require.ErrorContains(t, err, "empty value")
	_, err = producer.Encode(bytes, []byte("x"), nil)
	require.ErrorContains(t, err, "option 1 of 1 is nil")
	_, err = producer.Encode(topic.New("s", "t", topic.JSON[func()]()), func() {})
	require.ErrorContains(t, err, "unsupported type")
}
