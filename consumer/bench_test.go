package consumer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// BenchmarkDecode makes messages with their keys of the stored messages of a poll. BenchmarkCodec of
// package topic has the codec's part of it.
func BenchmarkDecode(b *testing.B) {
	tasks := topic.New("s", "t", topic.Proto[*jobspb.DownloadTask](), topic.Key((*jobspb.DownloadTask).GetJobId))
	payload, err := tasks.Codec().Append(nil, &jobspb.DownloadTask{
		JobId: "0190b3a0-7c1e-7d4f-8a3b-2f1c5d6e7f80", ResourceId: "r-1", Url: "https://example.com/files/archive.tar.gz",
	})
	require.NoError(b, err)
	headers := wire.AppendHeader(nil, topic.HeaderContentType, tasks.Codec().ContentType())
	headers = wire.AppendHeader(headers, topic.HeaderMessageType, tasks.Codec().MessageType())
	compressed, err := encoding.Append(nil, config.CompressionS2, payload)
	require.NoError(b, err)

	benchDecode(b, "proto", tasks, wire.Message{Payload: payload, Headers: headers})
	benchDecode(b, "proto, s2", tasks, wire.Message{
		Payload: compressed, Headers: wire.AppendHeader(headers, topic.HeaderContentEncoding, string(config.CompressionS2)),
	})
	benchDecode(b, "bytes", topic.New("s", "t", topic.Bytes()), wire.Message{Payload: make([]byte, 512)})
}

func benchDecode[T any](b *testing.B, name string, t topic.Topic[T], stored wire.Message) {
	b.Run(name, func(b *testing.B) {
		cluster := config.Default().Iggy
		cluster.ClientID, cluster.ClientSecret = "iggy", config.NewSecret("iggy")
		c, err := consumer.New(cluster, config.DefaultConsumer("g"), t)
		require.NoError(b, err)
		decode := consumer.Decoder(c)
		raw := make([]wire.Message, 100)
		for i := range raw {
			raw[i] = stored
		}
		var dst []*deliver.Message
		b.SetBytes(int64(len(raw) * wire.EncodedSize(len(stored.Payload), len(stored.Headers))))
		b.ReportAllocs()
		for b.Loop() {
			dst = decode(raw, dst[:0])
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(raw)), "ns/message")
		require.NoError(b, dst[0].Err)
	})
}
