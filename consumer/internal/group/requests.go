package group

import (
	"context"
	"sync"
)

// requests runs what may take long in goroutines of its own. Each ends soon after its context does,
// and its result is an event.
type requests struct {
	queue *queue
	all   sync.WaitGroup
	// open counts the requests whose answers the loop has not seen; only the loop uses it. No
	// membership begins before those of the last one have ended.
	open int
}

// run makes a request.
func (r *requests) run(ctx context.Context, do func(ctx context.Context) event) {
	r.open++
	r.apart(func() {
		e := do(ctx)
		e.answer = true
		r.queue.post(e)
	})
}

// apart runs something whose end nobody waits for before the machine's own.
func (r *requests) apart(do func()) {
	r.all.Go(do)
}
