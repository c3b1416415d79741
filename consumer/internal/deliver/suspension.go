package deliver

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

const (
	// suspensionLog is how often it is logged at most that the handler is unavailable.
	suspensionLog = time.Minute
	// maxSuspension is the longest pause before one message is delivered as a trial, unless the
	// handler asks for a longer one.
	maxSuspension = 10 * time.Second
)

// suspension is the time in which the handler can't work: a disk is full, a database is away. Such
// a failure is not the message's fault. A suspension lasts from the first such failure until a
// message is handled, or fails for a reason of its own. Delivery pauses meanwhile; after each pause
// one message is delivered as a trial.
type suspension struct {
	cause    error       // nil: the handler can work
	since    time.Time   // of the first failure
	attempts int         // failures in a row
	timer    *time.Timer // nil: no pause
	logged   time.Time   // stays after the end: the next suspension is not logged within a minute
	shown    bool        // the log says that it began
}

// pauses reports whether nothing may be delivered now.
func (s *suspension) pauses() bool { return s.timer != nil }

// begin begins a pause, the first one or the next. It lasts at least for the given time; then
// proceed is called. It returns how long the pause is, and whether that is to be logged.
func (s *suspension) begin(cause error, least time.Duration, p policy, proceed func()) (delay time.Duration, log bool) {
	now := time.Now()
	if s.cause == nil {
		s.since = now
	}
	s.cause = cause
	s.attempts++
	p.backoff.BaseBackoff = max(p.backoff.BaseBackoff, 10*time.Millisecond)
	p.backoff.MaxBackoff = max(min(p.backoff.MaxBackoff, maxSuspension), p.backoff.BaseBackoff)
	delay = max(least, p.delay(s.attempts))
	if log = s.logged.IsZero() || now.Sub(s.logged) >= suspensionLog; log {
		s.logged, s.shown = now, true
	}
	s.timer = time.AfterFunc(delay, proceed)
	return delay, log
}

// proceed ends a pause.
func (s *suspension) proceed() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// end ends the suspension. It returns how long it lasted, and whether its end is to be logged.
func (s *suspension) end() (lasted time.Duration, log bool) {
	s.proceed()
	lasted, log = time.Since(s.since), s.shown
	*s = suspension{logged: s.logged}
	return lasted, log
}

// queueSuspension is the suspension of one queue. The queue's lock guards it.
type queueSuspension struct {
	suspension
	assignment *assignment
	// tried is the message that was delivered as a trial, to find out whether the handler can work
	// again; nil: none. While it is in flight no other is delivered, until trialTimer expires.
	tried      *Message
	trialTimer *time.Timer
	// forAll tells that tried counts for the suspension of the pool, too.
	forAll bool
}

// suspend notes that m failed with err because the handler can't work, for this queue only or for
// all.
func (s *queueSuspension) suspend(m *Message, least time.Duration, err error, all bool) {
	a := s.assignment
	pool := a.queue.pool
	text := "handler unavailable, the partition pauses"
	var delay time.Duration
	var log bool
	if all {
		text = "handler unavailable, the consumer pauses"
		delay, log = pool.suspension.begin(err, least, pool.policy)
		a.after.suspended = a.after.suspended || delay > 0
	} else if !s.pauses() {
		delay, log = s.begin(err, least, pool.policy, s.endPause)
		a.after.recall = true
	}
	if log {
		e := entry(zapcore.WarnLevel, text, m, m.Attempts()-1, topic.CodeOf(err), err)
		e.Delay, e.Delayed = delay, true
		a.after.log(e)
	}
	a.after.errs = append(a.after.errs, err)
}

// decided notes that the handler has decided about m: it can work. A message that was delivered
// before the pause began says nothing about that.
func (s *queueSuspension) decided(m *Message) {
	if s.cause != nil || s.assignment.queue.pool.suspension.active.Load() {
		s.endSuspension(m)
	}
}

// endSuspension ends the suspension of the queue and that of the pool, if m was a trial.
func (s *queueSuspension) endSuspension(m *Message) {
	a := s.assignment
	if !s.isTrial(m) {
		return
	}
	if s.cause != nil && !s.pauses() {
		s.logEnd(m)(s.end())
	}
	if lasted, log, ended := a.queue.pool.suspension.end(); ended {
		s.logEnd(m)(lasted, log)
		a.after.resumed = true
	}
}

// isTrial reports whether m was delivered as a trial. Where none is, each message counts as one.
func (s *queueSuspension) isTrial(m *Message) bool {
	return m.trial || !s.assignment.queue.pool.usesTrials()
}

func (s *queueSuspension) logEnd(m *Message) func(time.Duration, bool) {
	return func(lasted time.Duration, log bool) {
		if log {
			e := entry(zapcore.InfoLevel, "handler available again", m, m.Attempts(), "", nil)
			e.Elapsed = lasted
			s.assignment.after.log(e)
		}
	}
}

// nextIsTrial reports whether the next message is delivered as a trial.
func (s *queueSuspension) nextIsTrial() bool {
	pool := s.assignment.queue.pool
	return pool.usesTrials() && (s.cause != nil || pool.suspension.active.Load())
}

// beginTrial notes that m is delivered as a trial.
func (s *queueSuspension) beginTrial(m *Message) {
	q := s.assignment.queue
	s.tried, m.trial = m, true
	s.trialTimer = time.AfterFunc(maxSuspension, func() { s.tryAnother(m) })
	if all := &q.pool.suspension; all.active.Load() {
		s.forAll = true
		all.trials.Add(1)
	}
}

// notInFlight notes that m is not in flight any more, which ends its trial.
func (s *queueSuspension) notInFlight(m *Message) {
	if m != s.tried {
		return
	}
	s.tried = nil
	s.trialTimer.Stop()
	if s.forAll {
		s.forAll = false
		s.assignment.queue.pool.suspension.trials.Add(-1)
		s.assignment.after.resumed = true
	}
}

// lost ends the pause and the trial: the queue is lost.
func (s *queueSuspension) lost() {
	s.proceed()
	if s.tried != nil {
		s.notInFlight(s.tried)
	}
}

// suspended reports whether nothing may be delivered now: during a pause, during a trial, and when
// nobody takes messages any more.
func (d *delivery) suspended() bool {
	pool := d.assignment.queue.pool
	all := &pool.suspension
	switch {
	case pool.unserved():
		return true
	case d.suspension.cause == nil && !all.active.Load():
		return false // also while a former trial is in flight
	}
	return d.suspension.pauses() || d.suspension.tried != nil || all.pausing.Load() || all.trials.Load() > 0
}

// endPause ends a pause of the queue.
func (s *queueSuspension) endPause() {
	q := s.assignment.queue
	q.update(func(d *delivery) {
		s.proceed()
		d.recheck(false)
	})
}

// tryAnother ends the trial of m, which takes long, so that another message is delivered.
func (s *queueSuspension) tryAnother(m *Message) {
	q := s.assignment.queue
	q.update(func(d *delivery) {
		s.notInFlight(m)
		d.recheck(false)
	})
}

// recheck tells the scheduler what the queue may do, after a suspension began or ended, or a worker
// is stuck. With recall, messages of runs that are not begun are made ready again.
func (q *Queue) recheck(recall bool) {
	q.update(func(d *delivery) { d.recheck(recall) })
}

// recheck is Queue.recheck. The queue's lock is held.
func (d *delivery) recheck(recall bool) {
	if d.assignment.phase == PhaseLost {
		return
	}
	if recall {
		d.assignment.limits.inFlight.Unclaim()
	}
	if recall && !d.assignment.queue.pool.batches() {
		d.runs.recallAll()
	}
	d.changed()
}

// poolSuspension is the suspension of all queues of a pool.
type poolSuspension struct {
	active  atomic.Bool  // the handler can't work
	pausing atomic.Bool  // nothing may be delivered now
	trials  atomic.Int32 // messages that are delivered as trials
	queues  atomic.Pointer[[]*Queue]

	mu sync.Mutex // may be taken while a queue's lock is held
	s  suspension
}

// begin begins a pause, unless there is one: then delay is 0.
func (s *poolSuspension) begin(cause error, least time.Duration, p policy) (delay time.Duration, log bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.pauses() {
		return 0, false
	}
	delay, log = s.s.begin(cause, least, p, s.proceed)
	s.active.Store(true)
	s.pausing.Store(true)
	return delay, log
}

// proceed ends a pause.
func (s *poolSuspension) proceed() {
	s.mu.Lock()
	s.s.proceed()
	s.pausing.Store(false)
	s.mu.Unlock()
	s.recheck(false)
}

// end ends the suspension, unless there is a pause.
func (s *poolSuspension) end() (lasted time.Duration, log, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.cause == nil || s.s.pauses() {
		return 0, false, false
	}
	lasted, log = s.s.end()
	s.active.Store(false)
	return lasted, log, true
}

// stop ends the pause: the pool is closed.
func (s *poolSuspension) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.proceed()
}

// recheck has all queues rechecked. No lock is held.
func (s *poolSuspension) recheck(recall bool) {
	if queues := s.queues.Load(); queues != nil {
		for _, q := range *queues {
			q.recheck(recall)
		}
	}
}

// cause returns why the handler can't work; nil when it can.
func (s *poolSuspension) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.s.cause
}
