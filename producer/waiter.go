package producer

import (
	"context"
	"sync"
)

// callback settles the messages of SendAsync.
type callback func(Result)

func (f callback) settle(_ uint32, r Result) { f(r) }

// waiter settles the message of one Send. Its place is guarded by the lock of
// the message's partition.
type waiter struct {
	result chan Result // has room for the one result
	at     place
}

// getWaiter takes a waiter from the producer's own pool: a channel that was made in
// another synctest bubble could not be used in a program's tests.
func (p *Producer) getWaiter() *waiter {
	if w, ok := p.waiters.Get().(*waiter); ok {
		return w
	}
	return &waiter{result: make(chan Result, 1)}
}

func (w *waiter) settle(_ uint32, r Result) { w.result <- r }
func (w *waiter) placed(_ uint32, at place) { w.at = at }
func (w *waiter) moved(_ uint32, to int)    { w.at.index = to }
func (w *waiter) taken(uint32)              { w.at.batch = nil }

// wait returns the message's result. When ctx ends first the message is withdrawn
// if it was not sent yet, and its outcome is unknown to the caller otherwise.
func (w *waiter) wait(ctx context.Context, t *topicState) Result {
	select {
	case r := <-w.result:
		w.release(t.producer)
		return r
	case <-ctx.Done():
	}
	outcome := Unknown
	if w.at.withdraw() {
		t.withdrawn(1)
		outcome = Failed
	}
	failure := t.failure(int64(w.at.partition.id), outcome, context.Cause(ctx))
	select {
	case r := <-w.result: // at the last moment
		w.release(t.producer)
		return r
	default:
	}
	if outcome == Failed {
		w.release(t.producer) // otherwise it will still get its result, which nobody reads
	}
	return Result{Outcome: outcome, Err: failure}
}

func (w *waiter) release(p *Producer) {
	w.at = place{}
	p.waiters.Put(w)
}

// group settles the messages of one SendAll.
type group struct {
	places []place // each guarded by the lock of its partition

	mu        sync.Mutex
	results   []Result
	left      int
	abandoned bool
	done      chan struct{}
}

func newGroup(n int) *group {
	return &group{places: make([]place, n), results: make([]Result, n), left: n, done: make(chan struct{})}
}

func (g *group) settle(index uint32, r Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.abandoned {
		return
	}
	g.results[index] = r
	if g.left--; g.left == 0 {
		close(g.done)
	}
}

func (g *group) placed(index uint32, at place) { g.places[index] = at }
func (g *group) moved(index uint32, to int)    { g.places[index].index = to }
func (g *group) taken(index uint32)            { g.places[index].batch = nil }

// wait returns the results once all are there, or ctx has ended.
func (g *group) wait(ctx context.Context, topics []*topicState) []Result {
	select {
	case <-g.done:
		return g.results
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.abandoned = true // nobody writes results any more
	g.mu.Unlock()
	for i := range g.results {
		if g.results[i].Outcome != 0 {
			continue
		}
		outcome := Unknown
		if g.places[i].withdraw() {
			topics[i].withdrawn(1)
			outcome = Failed
		}
		g.results[i] = Result{Outcome: outcome, Err: topics[i].failure(int64(g.places[i].partition.id), outcome, context.Cause(ctx))}
	}
	return g.results
}
