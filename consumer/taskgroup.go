package consumer

import (
	"context"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// taskGroup owns goroutines that are started one by one. After close it starts none, and wait waits
// for all of them.
type taskGroup struct {
	mu     sync.Mutex
	count  int
	closed bool
	empty  chan struct{} // closed when the group is closed and all goroutines have returned
}

func newTaskGroup() *taskGroup { return &taskGroup{empty: make(chan struct{})} }

// run starts f in a goroutine, unless the group is closed. When a callback of the application in f ends
// the goroutine, f is called again in another one.
func (g *taskGroup) run(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.count++
	callback.Go(f, g.done)
	return true
}

func (g *taskGroup) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count--; g.count == 0 && g.closed {
		close(g.empty)
	}
}

// close has the group start no more goroutines.
func (g *taskGroup) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		if g.count == 0 {
			close(g.empty)
		}
	}
}

// wait waits for the goroutines of a closed group, or for ctx.
func (g *taskGroup) wait(ctx context.Context) error {
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
