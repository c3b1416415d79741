package deliver

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// scheduler assigns the queues that have something to do to the workers, or to the callers of Next.
// It holds queues and not messages, so that its lock is taken once for many messages.
//
// Workers are woken one at a time: the next one only when the one before has found work. So
// messages that a few workers handle quickly do not wake all the others. While handlers are quick,
// only a few workers are awake at all; then progress.go finds out whether one of them is stuck.
//
// Its lock may be taken while a queue's is held, never the other way round.
type scheduler struct {
	maxAwake  int          // workers that are awake while handlers are quick
	maxPerRun int          // messages in a run, at most
	perRun    atomic.Int32 // messages in a run while handlers take as long as they do
	watching  atomic.Bool  // the timer runs

	mu      sync.Mutex
	list    fifo[*Queue] // those with something to do, first in first out
	idle    []*waiter    // last in first out, so that few workers are used
	spare   []*waiter    // of callers of Next, to be reused
	runs    fifo[*run]   // of callers of Next, with messages to begin
	workers []*worker
	limit   int           // of workers
	spawn   func(*worker) // starts a worker; nil: messages go to callers of Next
	busy    int           // workers that are awake
	stuck   int           // those of them that made no progress since the last check
	mean    time.Duration // how long a message takes a worker
	waking  bool          // a worker or caller was woken and has not found work yet
	closed  bool
	timer   *time.Timer
}

const (
	// quick is how long a message may take so that waking another worker is not worth it.
	quick = 10 * time.Microsecond
	// runTime is how long a run may take while handlers are quick.
	runTime = 100 * time.Microsecond
	// watchInterval is how often the progress of workers is checked.
	watchInterval = time.Millisecond
	// maxSpareWaiters is how many waiters are kept for reuse.
	maxSpareWaiters = 16
	// longest bounds the effect of one slow message on the mean.
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
	s.maxAwake = max(1, min(runtime.GOMAXPROCS(0), 4))
	s.maxPerRun = max(1, min(maxRun, limit/max(2, s.maxAwake)))
	s.mean = quick
	s.perRun.Store(1)
}

// runLength returns how many messages a run may have.
func (s *scheduler) runLength() int { return int(s.perRun.Load()) }

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
	if s.tooManyAwake(s.busy + 1) {
		s.startTimer()
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

// tooManyAwake reports whether that many busy workers are more than should be awake. s.mu is held.
func (s *scheduler) tooManyAwake(busy int) bool {
	return s.spawn != nil && s.mean < quick && busy-s.stuck > s.maxAwake
}

// nextQueue waits for a queue with something to do, for a worker; nil when the scheduler is closed.
// The worker has handled that many messages since began.
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
		crowded := s.tooManyAwake(s.busy)
		if !crowded {
			q = s.nextListed()
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
		n = min(s.maxPerRun, int(runTime/max(mean, 1)))
	}
	s.perRun.Store(int32(max(1, n)))
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
		q = s.nextListed()
	}
	if w != nil && w.woken {
		w.woken, s.waking = false, false
	}
	if m != nil || q != nil || exhausted != nil {
		s.wakeOne()
	}
	return m, q, exhausted
}

// wait has a caller of Next wait until there may be work; false when the scheduler is closed.
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

// leave removes a caller of Next that does not wait any more. If it was woken, another one is woken
// in its place.
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
	case <-w.wake: // it was not received
	default:
	}
	if len(s.spare) < maxSpareWaiters {
		s.spare = append(s.spare, w)
	}
}

// begin begins a message of the first run, if it has one, and removes the run if that was the last
// one. s.mu is held.
func (s *scheduler) begin() (m *Message, exhausted *run) {
	r := s.runs.first()
	m = r.begin()
	if r.exhausted() {
		exhausted = s.runs.pop()
	}
	return m, exhausted
}

// shareRun lets all callers of Next begin the messages of r.
func (s *scheduler) shareRun(r *run) {
	s.mu.Lock()
	s.runs.push(r)
	s.wakeOne()
	s.mu.Unlock()
}

func (s *scheduler) nextListed() *Queue {
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
	s.maxAwake = min(s.maxAwake, limit)
	s.wakeOne()
	s.mu.Unlock()
}

// workerExited removes a worker whose goroutine ends. Another one is started in its place when
// there is something to do.
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
