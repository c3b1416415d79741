package producer

import (
	"context"
	"sync"
)

// callbackSink is the resultSink of SendAsync.
type callbackSink func(Result)

func (f callbackSink) setResult(_ uint32, r Result) { f(r) }

// waiter is the resultSink of one Send. The lock of the message's partition guards its position.
type waiter struct {
	result   chan Result // buffered: one result
	position position
}

// getWaiter takes a waiter from the producer's own pool. The pool is not shared by all producers,
// since a channel that was made in one synctest bubble can't be used in another.
func (p *Producer) getWaiter() *waiter {
	if w, ok := p.waiters.Get().(*waiter); ok {
		return w
	}
	return &waiter{result: make(chan Result, 1)}
}

func (w *waiter) setResult(_ uint32, r Result) { w.result <- r }

func (w *waiter) setPosition(_ uint32, pos position) { w.position = pos }

func (w *waiter) setIndex(_ uint32, to int) { w.position.index = to }

func (w *waiter) clearPosition(uint32) { w.position.batch = nil }

// wait returns the message's result. When ctx ends first, a message that was not sent yet is
// withdrawn. Otherwise the caller gets the outcome Unknown.
func (w *waiter) wait(ctx context.Context, t *topicState) Result {
	select {
	case r := <-w.result:
		w.release(t.producer)
		return r
	case <-ctx.Done():
	}
	outcome := Unknown
	if w.position.withdraw() {
		t.countRefused(1)
		outcome = Failed
	}
	failure := t.failure(int64(w.position.partition.id), outcome, context.Cause(ctx))
	select {
	case r := <-w.result: // it came as ctx ended
		w.release(t.producer)
		return r
	default:
	}
	if outcome == Failed {
		w.release(t.producer) // otherwise its result is still to come, and nobody reads it
	}
	return Result{Outcome: outcome, Err: failure}
}

func (w *waiter) release(p *Producer) {
	w.position = position{}
	p.waiters.Put(w)
}

// resultGroup is the resultSink of one SendAll.
type resultGroup struct {
	positions []position // each is guarded by the lock of its partition

	mu      sync.Mutex
	results []Result
	left    int
	closed  bool
	done    chan struct{}
}

func newResultGroup(n int) *resultGroup {
	return &resultGroup{positions: make([]position, n), results: make([]Result, n), left: n, done: make(chan struct{})}
}

func (g *resultGroup) setResult(index uint32, r Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.results[index] = r
	if g.left--; g.left == 0 {
		close(g.done)
	}
}

func (g *resultGroup) setPosition(index uint32, pos position) { g.positions[index] = pos }

func (g *resultGroup) setIndex(index uint32, to int) { g.positions[index].index = to }

func (g *resultGroup) clearPosition(index uint32) { g.positions[index].batch = nil }

// wait returns the results when all are there or ctx has ended.
func (g *resultGroup) wait(ctx context.Context, topics []*topicState) []Result {
	select {
	case <-g.done:
		return g.results
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.closed = true // from here on nobody else writes results
	g.mu.Unlock()
	for i := range g.results {
		if g.results[i].Outcome != 0 {
			continue
		}
		outcome := Unknown
		if g.positions[i].withdraw() {
			topics[i].countRefused(1)
			outcome = Failed
		}
		g.results[i] = Result{Outcome: outcome, Err: topics[i].failure(int64(g.positions[i].partition.id), outcome, context.Cause(ctx))}
	}
	return g.results
}

// resultSink receives the results of its messages, by their index. Several goroutines may call it,
// without holding a lock.
type resultSink interface {
	setResult(index uint32, r Result)
}
