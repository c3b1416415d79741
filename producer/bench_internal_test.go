package producer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The benchmarks measure the steps of a message from the call to its batch, each by itself.

type benchOrder struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
}

func newBenchProducer(b *testing.B) *Producer {
	b.Helper()
	cfg := config.Default()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = "iggy", config.NewSecret("iggy")
	p, err := New(cfg.Iggy, cfg.Producer)
	require.NoError(b, err)
	return p
}

// BenchmarkEncode encodes a message as Publish does: payload, key, headers and compression.
// BenchmarkCodec of package topic has the codecs' part of it.
func BenchmarkEncode(b *testing.B) {
	p := newBenchProducer(b)
	task, tasks := benchTask()
	order, orders := benchOrder{ID: "0190b3a0-7c1e-7d4f-8a3b-2f1c5d6e7f80", Customer: "ada", Cents: 1200}, topic.JSON[benchOrder]()
	raw := []byte(strings.Repeat("fetchbox", 64))
	headers := WithHeaders(topic.Header{Key: "tenant", Value: "acme"}, topic.Header{Key: "service", Value: "checkout"})
	benchEncode(b, p, "raw", topic.New("s", "t", topic.Bytes()), raw)
	benchEncode(b, p, "json", topic.New("s", "t", orders, topic.Key(func(o benchOrder) string { return o.Customer })), order)
	benchEncode(b, p, "proto", tasks, task)
	benchEncode(b, p, "proto, stored key", tasks.With(topic.StoreKey[*jobspb.DownloadTask]()), task)
	benchEncode(b, p, "proto, WithHeaders", tasks, task, headers)
	benchEncode(b, p, "one of", topic.New("s", "t", topic.OneOf[any](topic.Type("", tasks.Codec()), topic.Type("order", orders))), any(task))
	benchEncode(b, p, "raw, s2", topic.New("s", "t", topic.Bytes(), topic.Compress[[]byte](config.CompressionS2, 0)), raw)
}

func benchTask() (*jobspb.DownloadTask, topic.Topic[*jobspb.DownloadTask]) {
	return &jobspb.DownloadTask{
		JobId: "0190b3a0-7c1e-7d4f-8a3b-2f1c5d6e7f80", ResourceId: "r-1", Url: "https://example.com/files/archive.tar.gz",
	}, topic.New("s", "t", topic.Proto[*jobspb.DownloadTask](), topic.Key((*jobspb.DownloadTask).GetJobId))
}

func benchEncode[T any](b *testing.B, p *Producer, name string, t topic.Topic[T], v T, opts ...PublishOption) {
	b.Run(name, func(b *testing.B) {
		pub := For(p, t)
		b.ReportAllocs()
		for b.Loop() {
			var it item
			if err := pub.encode(&it, v, opts); err != nil {
				b.Fatal(err)
			}
			it.release()
		}
	})
}

// BenchmarkEncodeHeaders encodes the headers of a Message, as Send does.
func BenchmarkEncodeHeaders(b *testing.B) {
	m := Message{Payload: []byte("x"), Headers: []topic.Header{
		{Key: "content-type", Value: "application/x-protobuf"}, {Key: "message-type", Value: "fetchbox.jobs.v1.DownloadTask"}, {Key: "tenant", Value: "acme"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		var it item
		if err := it.set(&m); err != nil {
			b.Fatal(err)
		}
		it.release()
	}
}

// BenchmarkAppend appends messages of 512 bytes to batches of so many messages, and gives the memory
// of each full batch back.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("batches of %d", n), func(b *testing.B) {
			memory := &newBenchProducer(b).memory
			payload, id := make([]byte, 512), newID(time.Now().UnixNano())
			size := wire.EncodedSize(len(payload), 0)
			var grant int64
			batch := memory.get()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if batch.len() == n {
					memory.put(batch)
					batch = memory.get()
				}
				if memory.grow(batch, size, &grant) != 0 {
					b.Fatal("no memory")
				}
				batch.wire.Append(id, 1, payload, nil)
				batch.messages = append(batch.messages, pendingMessage{})
			}
		})
	}
}

// BenchmarkChoosePartition chooses the partition of a message, one of eight.
func BenchmarkChoosePartition(b *testing.B) {
	p := newBenchProducer(b)
	r := &route{partitions: make([]*partition, 8)}
	for i := range r.partitions {
		r.partitions[i] = &partition{id: uint32(i)}
	}
	state := p.topics.get("s", "t")
	for _, tt := range []struct {
		name string
		it   item
	}{
		{"by key", item{key: "0190b3a0-7c1e-7d4f-8a3b-2f1c5d6e7f80"}},
		{"by round robin", item{}},
		{"explicit", item{partition: OnPartition(5)}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := p.choosePartition(state, r, &tt.it); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNewID makes ids from one goroutine for each processor.
func BenchmarkNewID(b *testing.B) {
	now := time.Now().UnixNano()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			newID(now)
		}
	})
}
