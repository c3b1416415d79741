package consumer

import "runtime"

// ghost is a message of a lost partition that the application still has in
// hand. It keeps its place in the window, and nothing of its partition is
// handed out, until the application is done with it: else there would be more
// messages with the application than there may be, and the same one twice. One whose message
// the application has forgotten is noticed when the memory is collected.
type ghost struct {
	p    *partition
	gone bool // guarded by the partition's lock
}

// haunt makes ghosts of the messages that are with the application, and gives
// their number. p.mu is held, and p is lost.
func (p *partition) haunt() (n int) {
	for r := p.out.first; r != nil; n++ {
		next := r.next
		r.prev, r.next, r.lane = nil, nil, nil // or each would keep the others
		r.ghost = &ghost{p: p}
		p.e.typed.whenForgotten(r, r.ghost)
		r = next
	}
	p.out = messageSet{}
	p.memory.ghosts.Add(int64(n))
	return n
}

// putDown says that the application is done with a delivery of a lost
// partition's message. p.mu is held.
func (p *partition) putDown(r *message, delivery int) {
	if r.ghost != nil && r.deliveries == delivery {
		p.dispel(r.ghost)
	}
}

// dispel ends a ghost. p.mu is held.
func (p *partition) dispel(g *ghost) {
	if g.gone {
		return
	}
	g.gone = true
	for _, q := range p.e.window.dispel(p) {
		p.e.sched.ready(q)
	}
	p.ghostGone()
}

// whenForgotten implements typed.
func (c *Consumer[T]) whenForgotten(r *message, g *ghost) {
	runtime.AddCleanup(r.typed.(*Message[T]), func(g *ghost) {
		g.p.mu.Lock()
		defer g.p.mu.Unlock()
		g.p.dispel(g)
	}, g)
}
