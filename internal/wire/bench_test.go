package wire_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func BenchmarkAppend(b *testing.B) {
	payload, headers := make([]byte, 512), wire.AppendHeader(nil, "content-type", "application/protobuf")
	var batch wire.Batch
	b.SetBytes(int64(wire.EncodedSize(len(payload), len(headers))))
	b.ReportAllocs()
	for b.Loop() {
		if batch.Len() == 1000 {
			batch.Reset()
		}
		batch.Append([16]byte{1}, 1, payload, headers)
	}
}

// The batches of many partitions, which no cache holds. Each is locked for an append, as the producer
// does: a lock waits until what was written before is in the cache.
func BenchmarkAppendToManyBatches(b *testing.B) {
	const size = 128 << 10
	batches := make([]struct {
		sync.Mutex
		wire.Batch
	}, 512)
	for i := range batches {
		batches[i].AddChunk(make([]byte, 0, size))
	}
	payload := make([]byte, 512)
	b.SetBytes(int64(wire.EncodedSize(len(payload), 0)))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		to := &batches[n%len(batches)]
		to.Lock()
		if chunk := to.Chunks()[0]; to.Free() < wire.EncodedSize(len(payload), 0) {
			to.Reset()
			to.AddChunk(chunk[:0])
		}
		to.Append([16]byte{1}, 1, payload, nil)
		to.Unlock()
	}
}

func BenchmarkDecode(b *testing.B) {
	var batch wire.Batch
	for range 1000 {
		batch.Append([16]byte{1}, 1, make([]byte, 512), nil)
	}
	b.SetBytes(int64(batch.Size()))
	b.ReportAllocs()
	for b.Loop() {
		for rest := batch.Bytes(); len(rest) > 0; {
			var m wire.Message
			n, err := m.Decode(rest)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

func BenchmarkRangeHeaders(b *testing.B) {
	headers := wire.AppendHeader(nil, "content-type", "application/protobuf")
	headers = wire.AppendHeader(headers, "message-type", "fetchbox.jobs.v1.DownloadTask")
	headers = wire.AppendHeader(headers, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	b.ReportAllocs()
	for b.Loop() {
		if err := wire.RangeHeaders(headers, func(_, _ string) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPartitionOf(b *testing.B) {
	for _, key := range []string{"job-1", "0190b3a0-7c1e-7d4f-8a3b-2f1c5d6e7f80", string(make([]byte, 255))} {
		b.Run(strconv.Itoa(len(key)), func(b *testing.B) {
			b.SetBytes(int64(len(key)))
			b.ReportAllocs()
			for b.Loop() {
				wire.PartitionOf(key, 8)
			}
		})
	}
}
