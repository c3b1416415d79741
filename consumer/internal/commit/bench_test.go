package commit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
)

// BenchmarkTracker adds and acknowledges runs of messages, in the order of their offsets and in the
// reverse order: then the prefix grows with the last message of a run.
func BenchmarkTracker(b *testing.B) {
	const run = 100
	for _, order := range []string{"in order", "reverse"} {
		b.Run(order, func(b *testing.B) {
			var t commit.Tracker
			offset := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				first := t.Tail()
				for range run {
					t.Add(offset, offset, 1)
					offset++
				}
				for i := range uint64(run) {
					if order == "reverse" {
						i = run - 1 - i
					}
					t.Ack(first + i)
				}
				if t.Open() != 0 {
					b.Fatal("not all messages are acknowledged")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/run, "ns/message")
		})
	}
}

// instantStore answers at once.
type instantStore struct{ stored commit.Stored }

func (s *instantStore) Read(context.Context) (commit.Stored, error) { return s.stored, nil }

func (s *instantStore) Write(_ context.Context, offset uint64) error {
	s.stored = commit.Stored{Offset: offset, Any: true}
	return nil
}

func (*instantStore) Refused(error) bool { return false }

type noOwner struct{}

func (noOwner) Stored(commit.Prefix, time.Duration) {}

func (noOwner) CommitFailed(uint64, error, bool) {}

// BenchmarkCommit advances the prefix of a partition by so many messages, and commits it, beside the
// round trip.
func BenchmarkCommit(b *testing.B) {
	for _, every := range []uint64{1, 100} {
		b.Run(fmt.Sprintf("every %d", every), func(b *testing.B) {
			committer := commit.NewCommitter(time.Hour, 1<<30)
			p := committer.NewPartition(noOwner{}, &instantStore{}, commit.NewLock(), commit.Prefix{}, commit.Stored{})
			ctx := b.Context()
			n := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				for range every {
					n++
					p.Advance(prefix(n))
				}
				if err := p.Commit(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
