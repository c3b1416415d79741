package consumer

import (
	"sync"
)

// scheduler gives partitions with deliverable messages to workers: those of the handler, or the
// callers of Next. It holds partitions and not messages, so that it is asked once for many messages.
//
// Its lock may be taken while a partition's lock is held, never the other way round.
type scheduler struct {
	mu          sync.Mutex
	queue       []*partition // first in, first out
	idle        []*waiter    // last in, first out: the worker that was busy last is woken first
	workers     int
	maxWorkers  int
	startWorker func(*waiter)
	// waking is set from the moment a worker is woken until it has found work. Only then is the next
	// one woken, so that few messages do not wake all workers.
	waking bool
	closed bool
}

// waiter is a worker or a caller of Next that may wait for a partition.
type waiter struct {
	wake   chan struct{} // holds one token, so that sending never blocks
	parked bool
	woken  bool
}

func newWaiter() *waiter { return &waiter{wake: make(chan struct{}, 1)} }

// schedule queues p, which has something to do, unless it is queued already.
func (s *scheduler) schedule(p *partition) {
	if p.scheduled.Swap(true) {
		return
	}
	s.mu.Lock()
	s.queue = append(s.queue, p)
	s.wakeOne()
	s.mu.Unlock()
}

// wakeOne wakes one idle worker, or starts one, if there is work. s.mu is held.
func (s *scheduler) wakeOne() {
	if s.waking || s.closed || len(s.queue) == 0 {
		return
	}
	if n := len(s.idle); n > 0 {
		w := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.waking, w.parked, w.woken = true, false, true
		w.wake <- struct{}{}
		return
	}
	if s.workers < s.maxWorkers {
		s.workers++
		w := newWaiter()
		s.waking, w.woken = true, true
		s.startWorker(w)
	}
}

// next waits for a partition with something to do. It returns nil when done is closed or the
// scheduler is.
func (s *scheduler) next(done <-chan struct{}, w *waiter) *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.closed {
			return nil
		}
		p := s.pop()
		if w.woken {
			w.woken, s.waking = false, false
		}
		if p != nil {
			s.wakeOne()
			return p
		}
		s.idle = append(s.idle, w)
		w.parked = true
		s.mu.Unlock()
		over := false
		select {
		case <-w.wake:
		case <-done:
			over = true
		}
		s.mu.Lock()
		if over {
			s.removeWaiter(w)
			return nil
		}
	}
}

// removeWaiter ends w's wait without work. If w was woken, another waiter is woken in its place.
// s.mu is held.
func (s *scheduler) removeWaiter(w *waiter) {
	if w.parked {
		w.parked = false
		for i := range s.idle {
			if s.idle[i] == w {
				s.idle = append(s.idle[:i], s.idle[i+1:]...)
				break
			}
		}
		return
	}
	if w.woken {
		<-w.wake
		w.woken, s.waking = false, false
		s.wakeOne()
	}
}

func (s *scheduler) pop() *partition {
	if len(s.queue) == 0 {
		return nil
	}
	p := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	p.scheduled.Store(false)
	return p
}

// startWorkers lets up to limit workers be started by startWorker. It is called once.
func (s *scheduler) startWorkers(limit int, startWorker func(*waiter)) {
	s.mu.Lock()
	s.maxWorkers, s.startWorker = limit, startWorker
	s.wakeOne()
	s.mu.Unlock()
}

// close ends every wait, now and later.
func (s *scheduler) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, w := range s.idle {
		w.parked = false
		w.wake <- struct{}{}
	}
	s.idle, s.queue = nil, nil
}
