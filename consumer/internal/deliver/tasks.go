package deliver

import (
	"context"
	"sync"
)

// tasks is a group of goroutines. None is started after it was closed, and then all can be waited
// for.
type tasks struct {
	mu     sync.Mutex
	count  int
	closed bool
	empty  chan struct{} // closed when the last one of a closed group has returned
}

func newTasks() *tasks { return &tasks{empty: make(chan struct{})} }

// run starts f, unless the group is closed.
func (t *tasks) run(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.count++
	go func() {
		defer t.done()
		f()
	}()
	return true
}

func (t *tasks) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count--; t.count == 0 && t.closed {
		close(t.empty)
	}
}

// close starts no more goroutines.
func (t *tasks) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		if t.count == 0 {
			close(t.empty)
		}
	}
}

// wait waits for the goroutines of a closed group, or for ctx.
func (t *tasks) wait(ctx context.Context) error {
	select {
	case <-t.empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
