package main

import (
	"sync"
)

// gate admits some requests and blocks the others until it is opened.
type gate struct {
	mu       sync.Mutex
	allowed  int
	admitted map[string]bool
	open     chan struct{}
	blocked  chan struct{} // closed when the first request blocks
	once     sync.Once
}

func newGate(allowed int) *gate {
	return &gate{allowed: allowed, admitted: map[string]bool{}, open: make(chan struct{}), blocked: make(chan struct{})}
}

func (g *gate) hold(name string) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.admitted[name] || g.allowed > 0 {
		if !g.admitted[name] {
			g.allowed--
			g.admitted[name] = true
		}
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	g.once.Do(func() { close(g.blocked) })
	return g.open
}
