package deliver

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// scheduler brings queues that have something to do together with those who do it: the workers, or
// the callers of Next. It holds queues and not messages, so that it is asked once for many
// messages.
//
// A worker is woken when there is work, one at a time: the next one only when the one before has
// found work. So a few busy workers are not joined by all the others for messages that will be done
// before. While handlers are quick no more than a few workers are awake at all; then watch looks
// whether one of them makes no progress.
//
// Its lock may be taken while a queue's is held, never the other way round.
type scheduler struct {
	few      int          // workers that are awake while handlers are quick
	fewInRun int          // messages in a run, at most
	inRun    atomic.Int32 // messages in a run while handlers take as long as they do
	watching atomic.Bool  // the timer runs

	mu      sync.Mutex
	list    fifo[*Queue] // those with something to do, first in first out
	idle    []*waiter    // last in first out: the warmest worker goes first
	spare   []*waiter    // of callers of Next, to be used again
	runs    fifo[*run]   // of callers of Next, with messages to begin
	workers []*worker
	limit   int           // of workers
	spawn   func(*worker) // starts a worker; nil: messages go to callers of Next
	busy    int           // workers that are awake
	stuck   int           // those of them that made no progress lately
	mean    time.Duration // how long a message takes a worker
	waking  bool          // someone was woken and has not found work yet
	closed  bool
	timer   *time.Timer
}

const (
	// quick is how long a message may take so that waking another worker is not worth it.
	quick = 10 * time.Microsecond
	// runTime is how long a run may take while handlers are quick.
	runTime = 100 * time.Microsecond
	// watchInterval is how often it is looked whether workers make progress.
	watchInterval = time.Millisecond
	// maxSpareWaiters is how many waiters are kept that nobody uses.
	maxSpareWaiters = 16
	// longest bounds what one slow message does to the mean.
	longest = time.Millisecond
)

// waiter is where a worker or a caller of Next waits.
type waiter struct {
	wake   chan struct{} // holds one token, so that sending never blocks
	worker *worker       // nil: a caller of Next
	parked bool
	woken  bool
}

func newWaiter() *waiter { return &waiter{wake: make(chan struct{}, 1)} }

func newWorker() *worker {
	w := &worker{waiter: *newWaiter()}
	w.worker = w
	return w
}

// start prepares the scheduler for at most limit messages in flight.
func (s *scheduler) start(limit int) {
	s.few = max(1, min(runtime.GOMAXPROCS(0), 4))
	s.fewInRun = max(1, min(maxRun, limit/max(2, s.few)))
	s.mean = quick
	s.inRun.Store(1)
}

// runLength is how many messages a run may have.
func (s *scheduler) runLength() int { return int(s.inRun.Load()) }

// ready announces that q has something to do.
func (s *scheduler) ready(q *Queue) {
	if q.listed.Swap(true) {
		return
	}
	s.mu.Lock()
	s.list.push(q)
	s.wakeOne()
	s.mu.Unlock()
}

// wakeOne wakes one idle worker or caller, or starts a worker, if there is work. s.mu is held.
func (s *scheduler) wakeOne() {
	if s.waking || s.closed || s.list.length() == 0 && s.runs.length() == 0 {
		return
	}
	if s.crowded(s.busy + 1) {
		s.arm()
		return
	}
	if n := len(s.idle); n > 0 {
		w := s.idle[n-1]
		s.idle[n-1] = nil
		s.idle = s.idle[:n-1]
		s.waking, w.parked, w.woken = true, false, true
		if w.worker != nil {
			s.busy++
			w.worker.busy = true
		}
		w.wake <- struct{}{}
		return
	}
	if len(s.workers) < s.limit {
		w := newWorker()
		s.workers = append(s.workers, w)
		s.waking, w.woken = true, true
		s.busy++
		w.busy = true
		s.spawn(w)
	}
}

// crowded tells whether so many workers would be too many awake. s.mu is held.
func (s *scheduler) crowded(busy int) bool {
	return s.spawn != nil && s.mean < quick && busy-s.stuck > s.few
}

// nextQueue waits for a queue with something to do, for a worker; nil when the scheduler is closed.
// The worker has handled so many messages since began.
func (s *scheduler) nextQueue(w *worker, handled int, began time.Time) *Queue {
	var took time.Duration
	if handled > 0 {
		took = time.Since(began)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.serving = nil
	if w.stuck {
		w.stuck = false
		s.stuck--
	}
	if handled > 0 {
		s.learn(handled, took)
	}
	for {
		if s.closed {
			return nil
		}
		var q *Queue
		crowded := s.crowded(s.busy)
		if !crowded {
			q = s.shift()
		}
		if w.woken {
			w.woken, s.waking = false, false
		}
		if q != nil {
			w.serving = q
			s.wakeOne()
			return q
		}
		s.idle = append(s.idle, &w.waiter)
		w.parked, w.busy = true, false
		s.busy--
		if crowded {
			s.wakeOne()
		}
		s.mu.Unlock()
		<-w.wake
		s.mu.Lock()
	}
}

// learn notes how long messages took. s.mu is held.
func (s *scheduler) learn(handled int, took time.Duration) {
	each := min(took/time.Duration(handled), longest)
	s.setMean(s.mean + (each-s.mean)/8)
}

// setMean sets the mean, and the length of runs by it: one message while handlers are not quick, so
// that others can do the next ones. s.mu is held.
func (s *scheduler) setMean(mean time.Duration) {
	s.mean = mean
	n := 1
	if mean < quick {
		n = min(s.fewInRun, int(runTime/max(mean, 1)))
	}
	s.inRun.Store(int32(max(1, n)))
}

// poll returns a message to deliver, or a queue that has some, for a caller of Next; neither when
// there is none. w is where the caller has waited; nil: it has not. A run that it returns is
// exhausted: the caller gives it back to its queue.
func (s *scheduler) poll(w *waiter) (m *Message, q *Queue, exhausted *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, nil
	}
	if s.runs.length() > 0 {
		m, exhausted = s.begin()
	} else {
		q = s.shift()
	}
	if w != nil && w.woken {
		w.woken, s.waking = false, false
	}
	if m != nil || q != nil || exhausted != nil {
		s.wakeOne()
	}
	return m, q, exhausted
}

// wait has a caller of Next wait until there may be something; false when done is closed or the
// scheduler is.
func (s *scheduler) wait(done <-chan struct{}, w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.list.length() > 0 || s.runs.length() > 0 {
		return !s.closed
	}
	s.idle = append(s.idle, w)
	w.parked = true
	s.mu.Unlock()
	select {
	case <-w.wake:
	case <-done:
	}
	s.mu.Lock()
	return !s.closed
}

// enter returns where a caller of Next may wait, until leave.
func (s *scheduler) enter() *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.spare)
	if n == 0 {
		return newWaiter()
	}
	w := s.spare[n-1]
	s.spare = s.spare[:n-1]
	return w
}

// leave takes off a caller of Next that does not want anything any more. A wake-up that it was
// given goes to another one.
func (s *scheduler) leave(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.parked {
		w.parked = false
		for i := range s.idle {
			if s.idle[i] == w {
				s.idle = append(s.idle[:i], s.idle[i+1:]...)
				break
			}
		}
	}
	if w.woken {
		w.woken, s.waking = false, false
		s.wakeOne()
	}
	select {
	case <-w.wake: // nobody waited for it
	default:
	}
	if len(s.spare) < maxSpareWaiters {
		s.spare = append(s.spare, w)
	}
}

// begin begins a message of the first run, if it has one, and takes the run off if that was the last
// one. s.mu is held.
func (s *scheduler) begin() (m *Message, exhausted *run) {
	r := s.runs.first()
	m = r.begin()
	if r.exhausted() {
		exhausted = s.runs.pop()
	}
	return m, exhausted
}

// share lets all callers of Next begin the messages of r.
func (s *scheduler) share(r *run) {
	s.mu.Lock()
	s.runs.push(r)
	s.wakeOne()
	s.mu.Unlock()
}

func (s *scheduler) shift() *Queue {
	if s.list.length() == 0 {
		return nil
	}
	q := s.list.pop()
	q.listed.Store(false)
	return q
}

// startWorkers lets up to limit workers be started by spawn. It is called once.
func (s *scheduler) startWorkers(limit int, spawn func(*worker)) {
	s.mu.Lock()
	s.limit, s.spawn = limit, spawn
	s.few = min(s.few, limit)
	s.wakeOne()
	s.mu.Unlock()
}

// workerExited removes a worker whose goroutine ends; another one is started in its place when there is
// something to do.
func (s *scheduler) workerExited(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.stuck {
		s.stuck--
	}
	if w.woken {
		s.waking = false
	}
	s.busy--
	for i := range s.workers {
		if s.workers[i] == w {
			s.workers = append(s.workers[:i], s.workers[i+1:]...)
			break
		}
	}
	s.wakeOne()
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
	s.idle, s.list, s.runs = nil, fifo[*Queue]{}, fifo[*run]{}
	if s.timer != nil {
		s.timer.Stop()
	}
}
