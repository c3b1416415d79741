package producer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestCompression(t *testing.T) {
	t.Parallel()
	large, small := strings.Repeat("compress me ", 100), strings.Repeat("x", 99)
	for _, c := range []config.Compression{config.CompressionNone, config.CompressionS2, config.CompressionZstd, config.CompressionGzip} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
				s.partitions("plain", 1)
				pub := producer.For(p, topic.New("s", "t", topic.Bytes(), topic.Compress[[]byte](c, 100)))
				require.NoError(t, errOf(pub.Publish(t.Context(), []byte(large), producer.WithKey("k"), producer.WithHeaders(topic.Header{Key: "x", Value: "1"}))))
				require.NoError(t, pub.PublishAll(t.Context(), [][]byte{[]byte(small)}, producer.WithKey("k")))
				require.NoError(t, errOf(producer.For(p, topic.New("s", "plain", topic.Bytes())).Publish(t.Context(), []byte(large))))
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

				typed := producer.For(p, words.With(topic.Compress[*wrapperspb.StringValue](c, 100)))
				require.NoError(t, errOf(typed.Publish(t.Context(), wrapperspb.String(large))))
				last := s.log("t")[2]
				require.Equal(t, "application/x-protobuf", last.headers[topic.HeaderContentType])
				payload, err := encoding.Decode(last.headers[topic.HeaderContentEncoding], []byte(last.payload), 1<<20)
				require.NoError(t, err)
				v, err := words.Codec().Decode(payload, topic.Headers{})
				require.NoError(t, err)
				require.Equal(t, large, v.GetValue())

				require.NoError(t, errOf(p.Send(t.Context(), message("k", large))))
				require.Equal(t, large, s.log("t")[3].payload, "a message without a Topic is sent as it is")
			})
		})
	}
}

func TestIncompressiblePayloadsAreNotCompressed(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		payload := "0123456789abcdefghijklmnopqrstuvwxyz"
		pub := producer.For(p, topic.New("s", "t", topic.Bytes(), topic.Compress[[]byte](config.CompressionZstd, 1)))
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte(payload))))
		require.Equal(t, payload, s.log("t")[0].payload)
		require.NotContains(t, s.log("t")[0].headers, topic.HeaderContentEncoding)
	})
}
