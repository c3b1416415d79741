package producer

import (
	"context"
	"fmt"
	"sync/atomic"
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

// Flush waits until every message that was accepted before has its outcome and its
// callback has returned, and ends lingering meanwhile. When ctx ends first it
// returns the context's cause; the messages stay on their way. It must not be
// called in a callback, which it would wait for.
func (p *Producer) Flush(ctx context.Context) error {
	for {
		moves := p.moves.Load()
		if err := p.flushOnce(ctx); err != nil {
			return err
		}
		if p.moves.Load() == moves {
			return nil
		}
		// Messages have moved meanwhile, perhaps to a partition that had been looked at.
	}
}

// flushOnce waits for what it finds, one partition after the other.
func (p *Producer) flushOnce(ctx context.Context) error {
	f := &flush{closed: make(chan struct{})}
	f.add() // keeps it open while it gathers
	for _, t := range p.topicList() {
		for _, part := range t.all() {
			part.join(f)
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

// join lets f wait for all that is in the partition now.
func (p *partition) join(f *flush) {
	p.mu.Lock()
	for _, b := range p.queue {
		f.add()
		b.flushes = append(b.flushes, f)
	}
	for _, b := range []*batch{p.inFlight, p.open} {
		if b != nil {
			f.add()
			b.flushes = append(b.flushes, f)
		}
	}
	p.mu.Unlock()
	p.hurry()
}
