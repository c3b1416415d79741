package producer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var benchTasks = topic.New("s", "t", topic.Proto[*jobspb.DownloadTask](), topic.Key((*jobspb.DownloadTask).GetJobId))

func benchTask() *jobspb.DownloadTask {
	return &jobspb.DownloadTask{
		JobId: "0190b3a0-7c1e-7d4f-8a3b-2f1c5d6e7f80", ResourceId: "r-1", Url: "https://example.com/files/archive.tar.gz",
	}
}

// BenchmarkAsync sends a protobuf message with a key to a server that confirms each batch at once.
// What publish takes beside send is marshal, and to copy the headers, which send does not have.
func BenchmarkAsync(b *testing.B) {
	task := benchTask()
	payload, err := benchTasks.Codec().Append(nil, task)
	require.NoError(b, err)
	m := producer.Message{Stream: "s", Topic: "t", Key: task.GetJobId(), Payload: payload}
	for _, tt := range []struct {
		name string
		with func(context.Context, *producer.Producer) (send func())
	}{
		{"send", func(ctx context.Context, p *producer.Producer) func() {
			return func() { p.SendAsync(ctx, m, nil) }
		}},
		{"publish", func(ctx context.Context, p *producer.Producer) func() {
			pub := producer.For(p, benchTasks)
			return func() { pub.PublishAsync(ctx, task, nil) }
		}},
		{"marshal", func(context.Context, *producer.Producer) func() {
			var dst []byte
			return func() { dst, _ = benchTasks.Codec().Append(dst[:0], task) }
		}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			s := newServer()
			s.partitions("t", 8)
			p := start(b, s, nil, producer.WithDialer(discard{s}))
			defer func() { _ = p.Stop(context.Background()) }()
			send := tt.with(b.Context(), p)
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
			require.NoError(b, p.Flush(context.Background()))
		})
	}
}
