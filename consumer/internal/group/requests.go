package group

import (
	"context"
	"sync"
)

// requests runs everything that may take long, each request in a goroutine that runs no other
// meanwhile. It ends soon after its context does, and its result is an event.
type requests struct {
	queue *queue
	all   sync.WaitGroup
	// A goroutine whose request has ended waits for the next one in jobs, unless another one waits: its
	// stack has grown already. With a new goroutine for each request, that was a twelfth of the CPU
	// time of 64 idle consumers.
	jobs    chan func()
	waiting chan struct{} // holds a token while a goroutine waits
	ended   chan struct{} // closed by end
	// open counts the requests whose answers the loop has not handled; only the loop uses it. No
	// membership begins before the requests of the last one have ended.
	open int
}

func newRequests(q *queue) *requests {
	return &requests{queue: q, jobs: make(chan func()), waiting: make(chan struct{}, 1), ended: make(chan struct{})}
}

// run makes a request.
func (r *requests) run(ctx context.Context, do func(ctx context.Context) event) {
	r.open++
	r.runDetached(func() {
		e := do(ctx)
		e.answer = true
		r.queue.post(e)
	})
}

// runDetached runs do. Only the end of the machine waits for it.
func (r *requests) runDetached(do func()) {
	select {
	case r.jobs <- do:
	default:
		r.all.Go(func() {
			for ; do != nil; do = r.next() {
				do()
			}
		})
	}
}

// next waits for another request; it returns nil when a goroutine waits already, or at the end.
func (r *requests) next() (do func()) {
	select {
	case r.waiting <- struct{}{}:
	default:
		return nil
	}
	select {
	case do = <-r.jobs:
	case <-r.ended:
	}
	<-r.waiting
	return do
}

// end waits for the requests, and ends the goroutine that waits for more.
func (r *requests) end() {
	close(r.ended)
	r.all.Wait()
}
