package consumer

import (
	"context"
	"sync"
)

// taskGroup owns goroutines that are started one by one. After close it starts none, and wait waits
// for all of them.
type taskGroup struct {
	mu     sync.Mutex
	count  int
	closed bool
	empty  chan struct{} // closed when the last one of a closed crew has returned
}

func newTaskGroup() *taskGroup { return &taskGroup{empty: make(chan struct{})} }

// run starts f in a goroutine, unless the group is closed.
func (g *taskGroup) run(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.count++
	go func() {
		defer g.done()
		f()
	}()
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
