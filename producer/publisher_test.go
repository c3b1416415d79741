package producer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var words = topic.New("s", "t", topic.Proto[*wrapperspb.StringValue](), topic.Key(func(v *wrapperspb.StringValue) string { return v.GetValue()[:1] }))

func TestPublisher(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, words)
		require.Equal(t, "s/t", pub.Topic().String())
		require.NoError(t, pub.Publish(t.Context(), wrapperspb.String("apple")))
		got := s.stored("t", wire.PartitionOf("a", 4))
		require.Len(t, got, 1)
		require.Equal(t, map[string]string{
			topic.HeaderContentType: "application/x-protobuf",
			topic.HeaderMessageType: "google.protobuf.StringValue",
		}, got[0].headers)
		v, err := words.Codec().Decode([]byte(got[0].payload))
		require.NoError(t, err)
		require.Equal(t, "apple", v.GetValue())

		id := [16]byte{7}
		require.NoError(t, pub.Publish(t.Context(), wrapperspb.String("apple"),
			producer.WithPartition(3), producer.WithID(id), producer.WithHeaders(topic.Header{Key: "x", Value: "1"})))
		last := s.log("t")[1]
		require.Equal(t, id, last.id)
		require.Equal(t, "1", last.headers["x"])
		require.Equal(t, "application/x-protobuf", last.headers[topic.HeaderContentType])
		require.Contains(t, s.payloads("t", 3), last.payload)

		key := movingKey(4, 1, 2, 1)
		before := len(s.stored("t", 1))
		require.NoError(t, pub.PublishAll(t.Context(), []*wrapperspb.StringValue{wrapperspb.String("a1"), wrapperspb.String("a2")}, producer.WithKey(key)))
		require.Len(t, s.stored("t", 1), before+2)

		results := make(outcomes, 1)
		pub.PublishAsync(t.Context(), wrapperspb.String("async"), func(r producer.Result) { results <- r })
		require.Equal(t, producer.Confirmed, results.take(t, 1)[0].Outcome)
	})
}

func TestPublisherRefusesWhatItCannotEncode(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, topic.New("s", "t", topic.JSON[func()]()))
		err := pub.Publish(t.Context(), func() {})
		var failure *producer.SendError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, producer.Failed, failure.Outcome)
		require.ErrorContains(t, err, "s/t")
		require.ErrorContains(t, err, "unsupported type")
		require.ErrorContains(t, pub.PublishAll(t.Context(), []func(){func() {}}), "of 1 messages 1 failed")
		results := make(outcomes, 1)
		pub.PublishAsync(t.Context(), func() {}, func(r producer.Result) { results <- r })
		require.Equal(t, producer.Failed, results.take(t, 1)[0].Outcome)
		require.Zero(t, s.count(&s.requests))
	})
}

func TestCompression(t *testing.T) {
	t.Parallel()
	large, small := strings.Repeat("compress me ", 100), strings.Repeat("x", 99)
	for _, c := range []config.Compression{config.CompressionNone, config.CompressionS2, config.CompressionZstd, config.CompressionGzip} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
				r := message("k", large)
				r.Headers = []topic.Header{{Key: "x", Value: "1"}}
				other := message("k", large)
				other.Topic = "plain"
				s.partitions("plain", 1)
				require.NoError(t, p.SendAll(t.Context(), r, message("k", small), other))
				log := s.log("t")
				require.Equal(t, "1", log[0].headers["x"])
				encodingName := log[0].headers[topic.HeaderContentEncoding]
				if c == config.CompressionNone {
					require.Empty(t, encodingName)
				} else {
					require.Equal(t, string(c), encodingName)
					require.Less(t, len(log[0].payload), len(large)/2)
				}
				plain, err := encoding.Decode(encodingName, []byte(log[0].payload), len(large))
				require.NoError(t, err)
				require.Equal(t, large, string(plain))
				require.Equal(t, small, log[1].payload, "below the smallest size")
				require.Equal(t, large, s.log("plain")[0].payload, "compression is a topic's own")

				typed := producer.For(p, words)
				require.NoError(t, typed.Publish(t.Context(), wrapperspb.String(large)))
				last := s.log("t")[2]
				require.Equal(t, "application/x-protobuf", last.headers[topic.HeaderContentType])
				payload, err := encoding.Decode(last.headers[topic.HeaderContentEncoding], []byte(last.payload), 1<<20)
				require.NoError(t, err)
				v, err := words.Codec().Decode(payload)
				require.NoError(t, err)
				require.Equal(t, large, v.GetValue())
			}, producer.WithCompression("s", "t", c, 100))
		})
	}
}

func TestIncompressiblePayloadsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		payload := "0123456789abcdefghijklmnopqrstuvwxyz"
		require.NoError(t, p.Send(t.Context(), message("k", payload)))
		require.Equal(t, payload, s.log("t")[0].payload)
		require.Empty(t, s.log("t")[0].headers)
	}, producer.WithCompression("s", "t", config.CompressionZstd, 1))
}

// ownBytes keeps the encoding of its messages and hands it out, where others would append it.
type ownBytes struct{ topic.Codec[[]byte] }

func (ownBytes) Append(_, v []byte) ([]byte, error) { return v, nil }

// What such a codec returned was once taken for the publisher's own memory, into which the next
// message was written.
func TestMemoryOfACodecIsLeftAlone(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		own := producer.For(p, topic.New[[]byte]("s", "t", ownBytes{topic.Bytes()}))
		other := producer.For(p, topic.New("s", "t", topic.Bytes()))
		kept := [][]byte{[]byte("first one"), []byte("second one")}
		for range 10 { // whatever the pool makes of it
			require.NoError(t, own.Publish(t.Context(), kept[0], producer.WithKey("k")))
			require.NoError(t, other.Publish(t.Context(), []byte("other"), producer.WithKey("k")))
			require.NoError(t, own.PublishAll(t.Context(), kept, producer.WithKey("k")))
			require.NoError(t, other.PublishAll(t.Context(), [][]byte{[]byte("a"), []byte("b")}, producer.WithKey("k")))
		}
		require.Equal(t, [][]byte{[]byte("first one"), []byte("second one")}, kept)
		require.Equal(t, []string{"first one", "other", "first one", "second one", "a", "b"}, s.payloads("t", wire.PartitionOf("k", 4))[54:])
	})
}
