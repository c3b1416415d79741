package group

import "sync"

// queue holds the events that the loop has not handled yet. It is bounded by what it holds: an
// answer for each request, a command for each caller who waits for it, and for each partition one
// pause and one notification of each kind; what is there already is replaced.
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
	q.stir()
}

func (q *queue) postDrained() {
	q.mu.Lock()
	q.drained = true
	q.mu.Unlock()
	q.stir()
}

func (q *queue) postVerify(id uint32) {
	q.mu.Lock()
	q.verify[id] = true
	q.mu.Unlock()
	q.stir()
}

func (q *queue) postRefused(id uint32, epoch uint64, err error) {
	q.mu.Lock()
	if q.refused[id].epoch <= epoch {
		q.refused[id] = event{kind: refused, partition: id, epoch: epoch, err: err}
	}
	q.mu.Unlock()
	q.stir()
}

// postPause returns when it is in effect: a channel that is closed then.
func (q *queue) postPause(id uint32, on bool) <-chan struct{} {
	q.mu.Lock()
	p, ok := q.paused[id]
	if !ok {
		p.done = make(chan struct{})
	}
	p.on = on
	q.paused[id] = p
	q.mu.Unlock()
	q.stir()
	return p.done
}

func (q *queue) stir() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take empties the queue. Notifications come last: they say how things are now, and commands and
// answers come in the order in which they were added.
func (q *queue) take() []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = nil
	for _, e := range q.refused {
		events = append(events, e)
	}
	for id, p := range q.paused {
		events = append(events, event{kind: pauseAsked, partition: id, value: p})
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
