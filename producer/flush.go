package producer

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
)

// flush waits for a number of batches.
type flush struct {
	left   atomic.Int64
	closed chan struct{}
}

func (f *flush) add() { f.left.Add(1) }

func (f *flush) done() {
	if f.left.Add(-1) == 0 {
		close(f.closed)
	}
}

// Flush waits until every message that was accepted before has its outcome and its callback has
// returned. Meanwhile batches don't linger. When ctx ends first, Flush returns the context's cause
// and the messages stay in flight. A callback must not call Flush, which would wait for that
// callback.
func (p *Producer) Flush(ctx context.Context) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	for {
		moves := p.reroutes.Load()
		if err := p.flushOnce(ctx); err != nil {
			return err
		}
		if p.reroutes.Load() == moves {
			return nil
		}
		// Messages have moved meanwhile, maybe to a partition that flushOnce had visited before.
	}
}

// flushOnce waits for the batches that it finds in all partitions.
func (p *Producer) flushOnce(ctx context.Context) error {
	f := &flush{closed: make(chan struct{})}
	f.add() // keeps f open until all partitions have joined
	for _, t := range p.topics.list() {
		for _, part := range t.allPartitions() {
			part.queue.join(f)
		}
	}
	f.done()
	select {
	case <-f.closed:
		return nil
	default:
	}
	select {
	case <-f.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("iggy: flush: %w", context.Cause(ctx))
	}
}

// join makes f wait for all batches of the partition.
func (q *batchQueue) join(f *flush) {
	q.mu.Lock()
	for _, b := range q.queued {
		f.add()
		b.flushes = append(b.flushes, f)
	}
	for _, b := range []*batch{q.inFlight, q.open} {
		if b != nil {
			f.add()
			b.flushes = append(b.flushes, f)
		}
	}
	q.mu.Unlock()
	q.endLinger()
}
