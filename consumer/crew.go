package consumer

import (
	"context"
	"sync"
)

// crew owns goroutines that are started one by one: none after it was closed,
// and close's caller can wait for all of them.
type crew struct {
	mu     sync.Mutex
	count  int
	closed bool
	empty  chan struct{} // closed when the last one of a closed crew has returned
}

func newCrew() *crew { return &crew{empty: make(chan struct{})} }

// run starts f, unless the crew is closed.
func (c *crew) run(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.count++
	go func() {
		defer c.done()
		f()
	}()
	return true
}

func (c *crew) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count--; c.count == 0 && c.closed {
		close(c.empty)
	}
}

// close lets no more start.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		if c.count == 0 {
			close(c.empty)
		}
	}
}

// wait waits for those of a closed crew, or for ctx.
func (c *crew) wait(ctx context.Context) error {
	select {
	case <-c.empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
