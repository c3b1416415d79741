package topic_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// BenchmarkCodec encodes and decodes payloads, without their headers.
func BenchmarkCodec(b *testing.B) {
	benchCodec(b, "bytes", topic.Bytes(), []byte(strings.Repeat("fetchbox", 64)))
	benchCodec(b, "json", topic.JSON[order](), order{ID: "0190b3a0-7c1e-7d4f-8a3b-2f1c5d6e7f80", Customer: "ada"})
	benchCodec(b, "proto", topic.Proto[*jobspb.DownloadTask](), &jobspb.DownloadTask{
		JobId: "0190b3a0-7c1e-7d4f-8a3b-2f1c5d6e7f80", ResourceId: "r-1", Url: "https://example.com/files/archive.tar.gz",
	})
}

func benchCodec[T any](b *testing.B, name string, codec topic.Codec[T], v T) {
	payload, err := codec.Append(nil, v)
	require.NoError(b, err)
	b.Run(name+"/append", func(b *testing.B) {
		b.SetBytes(int64(len(payload)))
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			if dst, err = codec.Append(dst[:0], v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(name+"/decode", func(b *testing.B) {
		b.SetBytes(int64(len(payload)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.Decode(payload, topic.Headers{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
