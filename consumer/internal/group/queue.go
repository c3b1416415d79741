package group

import "sync"

// queue holds the events that the loop has not handled yet. It is bounded: it has one answer for
// each request, one command for each caller that waits for it, and for each partition one pause and
// one notification of each kind, which replaces the one before.
type queue struct {
	mu      sync.Mutex
	events  []event
	drained bool
	verify  map[uint32]bool
	refused map[uint32]event
	paused  map[uint32]pause
	wake    chan struct{} // holds a token when something was added
}

func newQueue() *queue {
	return &queue{verify: map[uint32]bool{}, refused: map[uint32]event{}, paused: map[uint32]pause{}, wake: make(chan struct{}, 1)}
}

func (q *queue) post(e event) {
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	q.notify()
}

func (q *queue) postDrained() {
	q.mu.Lock()
	q.drained = true
	q.mu.Unlock()
	q.notify()
}

func (q *queue) postVerify(id uint32) {
	q.mu.Lock()
	q.verify[id] = true
	q.mu.Unlock()
	q.notify()
}

func (q *queue) postRefused(id uint32, epoch uint64, err error) {
	q.mu.Lock()
	if q.refused[id].epoch <= epoch {
		q.refused[id] = event{kind: refused, partition: id, epoch: epoch, err: err}
	}
	q.mu.Unlock()
	q.notify()
}

// postPause returns a channel that is closed when the loop has handled it.
func (q *queue) postPause(id uint32, on bool) <-chan struct{} {
	q.mu.Lock()
	p, ok := q.paused[id]
	if !ok {
		p.done = make(chan struct{})
	}
	p.on = on
	q.paused[id] = p
	q.mu.Unlock()
	q.notify()
	return p.done
}

func (q *queue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take empties the queue. Commands and answers come in the order in which they were added.
// Notifications come last, since they say what is true now.
func (q *queue) take() []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = nil
	for _, e := range q.refused {
		events = append(events, e)
	}
	for id, p := range q.paused {
		events = append(events, event{kind: pauseRequested, partition: id, value: p})
	}
	for id := range q.verify {
		events = append(events, event{kind: verifyNeeded, partition: id})
	}
	if q.drained {
		events = append(events, event{kind: drained})
	}
	clear(q.refused)
	clear(q.paused)
	clear(q.verify)
	q.drained = false
	return events
}
