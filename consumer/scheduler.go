package consumer

import "sync"

// scheduler brings partitions that have something to do together with those
// who do it: the handlers' workers, or the callers of Next. It holds
// partitions and not messages, so that it is asked once for many messages.
//
// Its lock may be taken while a partition's is held, never the other way round.
type scheduler struct {
	mu      sync.Mutex
	list    []*partition // those with something to do, first in first out
	idle    []*seat      // last in first out: the warmest worker goes first
	workers int
	limit   int         // of workers
	spawn   func(*seat) // starts a worker
	// waking is set from the moment someone is woken until he has found work.
	// Only then another one is: a few busy workers are not buried under
	// all the others for messages that they will have done before.
	waking bool
	closed bool
}

// seat is where a worker or a caller of Next waits.
type seat struct {
	wake   chan struct{} // holds one token, so that sending never blocks
	parked bool
	woken  bool
}

func newSeat() *seat { return &seat{wake: make(chan struct{}, 1)} }

// ready announces that p has something to do.
func (s *scheduler) ready(p *partition) {
	if p.listed.Swap(true) {
		return
	}
	s.mu.Lock()
	s.list = append(s.list, p)
	s.rouse()
	s.mu.Unlock()
}

// rouse wakes one idle worker, or starts one, if there is work. s.mu is held.
func (s *scheduler) rouse() {
	if s.waking || s.closed || len(s.list) == 0 {
		return
	}
	if n := len(s.idle); n > 0 {
		st := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.waking, st.parked, st.woken = true, false, true
		st.wake <- struct{}{}
		return
	}
	if s.workers < s.limit {
		s.workers++
		st := newSeat()
		s.waking, st.woken = true, true
		s.spawn(st)
	}
}

// next waits for a partition with something to do; nil when done is closed or
// the scheduler is.
func (s *scheduler) next(done <-chan struct{}, st *seat) *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.closed {
			return nil
		}
		p := s.shift()
		if st.woken {
			st.woken, s.waking = false, false
		}
		if p != nil {
			s.rouse()
			return p
		}
		s.idle = append(s.idle, st)
		st.parked = true
		s.mu.Unlock()
		over := false
		select {
		case <-st.wake:
		case <-done:
			over = true
		}
		s.mu.Lock()
		if over {
			s.standUp(st)
			return nil
		}
	}
}

// standUp takes st off without work; a wake-up that it was given goes to
// another one. s.mu is held.
func (s *scheduler) standUp(st *seat) {
	if st.parked {
		st.parked = false
		for i := range s.idle {
			if s.idle[i] == st {
				s.idle = append(s.idle[:i], s.idle[i+1:]...)
				break
			}
		}
		return
	}
	if st.woken {
		<-st.wake
		st.woken, s.waking = false, false
		s.rouse()
	}
}

func (s *scheduler) shift() *partition {
	if len(s.list) == 0 {
		return nil
	}
	p := s.list[0]
	s.list[0] = nil
	s.list = s.list[1:]
	p.listed.Store(false)
	return p
}

// employ lets up to limit workers be started by spawn. It is called once.
func (s *scheduler) employ(limit int, spawn func(*seat)) {
	s.mu.Lock()
	s.limit, s.spawn = limit, spawn
	s.rouse()
	s.mu.Unlock()
}

// resign takes off a worker that ends by itself; another one is started in its
// place when there is something to do.
func (s *scheduler) resign() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers--
	s.rouse()
}

// close ends every wait, now and later.
func (s *scheduler) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, st := range s.idle {
		st.parked = false
		st.wake <- struct{}{}
	}
	s.idle, s.list = nil, nil
}
