package deliver

import (
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// suspension is the pause of a queue whose handler's environment is not available: a disk is full,
// a database is away. Such a failure is no message's fault.
type suspension struct {
	assignment *assignment
	timer      *time.Timer // nil: none
	attempts   int         // in a row
}

func (s *suspension) active() bool { return s.timer != nil }

// over notes that a message could be handled.
func (s *suspension) over() { s.attempts = 0 }

// begin has the queue pause since m failed with err. The pause grows while nothing can be handled;
// it is at least delay.
func (s *suspension) begin(m *Message, delay time.Duration, err error) {
	if s.active() {
		return
	}
	a := s.assignment
	s.attempts++
	delay = max(delay, a.queue.pool.policy.delay(s.attempts))
	if s.attempts == 1 {
		e := entry(zapcore.WarnLevel, "the environment of the handler is not available, the partition waits", m, m.attempts()-1, topic.CodeOf(err), err)
		e.Delay, e.Delayed = delay, true
		a.after.log(e)
	}
	a.after.notes = append(a.after.notes, err)
	s.timer = time.AfterFunc(delay, s.proceed)
}

// end ends the pause.
func (s *suspension) end() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// proceed goes on after a pause.
func (s *suspension) proceed() {
	q := s.assignment.queue
	q.mu.Lock()
	s.end()
	if q.d.assignment.phase != PhaseLost {
		q.d.changed()
	}
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}
