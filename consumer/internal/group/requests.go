package group

import (
	"context"
	"sync"
)

// requests runs everything that may take long, each request in a goroutine of its own. It ends soon
// after its context does, and its result is an event.
type requests struct {
	queue *queue
	all   sync.WaitGroup
	// open counts the requests whose answers the loop has not handled; only the loop uses it. No
	// membership begins before the requests of the last one have ended.
	open int
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
	r.all.Go(do)
}
