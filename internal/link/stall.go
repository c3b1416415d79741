package link

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// errStalled is the cause of the end of a request that the server did not answer within the request
// timeout.
var errStalled = errors.New("no answer within the request timeout")

const (
	// suspendedAfter is how late a timer expires at least in a process that was suspended, by a
	// signal or with its container.
	suspendedAfter = 200 * time.Millisecond
	// resumeGrace is how long a request then waits for an answer that has come meanwhile and was not
	// read.
	resumeGrace = time.Second
)

// stall ends the context of a request that the server does not answer in time.
type stall struct {
	cancel   context.CancelCauseFunc
	due      time.Time
	timer    atomic.Pointer[time.Timer] // nil: not set yet, or stopped
	extended bool
}

// withRequestTimeout returns a context that ends with errStalled after the timeout. The time in which
// the process was suspended says nothing about the server: its answer may be there when the process
// goes on, so a request then gets resumeGrace to read it.
func withRequestTimeout(ctx context.Context, timeout time.Duration) (context.Context, *stall) {
	bounded, cancel := context.WithCancelCause(ctx)
	s := &stall{cancel: cancel, due: time.Now().Add(timeout)}
	s.timer.Store(time.AfterFunc(timeout, func() { s.expired(time.Now()) }))
	return bounded, s
}

// expired is called when the timer has expired.
func (s *stall) expired(now time.Time) {
	timer := s.timer.Load()
	if timer != nil && !s.extended && now.Sub(s.due) >= suspendedAfter {
		s.extended = true
		timer.Reset(resumeGrace)
		return
	}
	s.cancel(errStalled)
}

// stop releases the timer and ends the context.
func (s *stall) stop() {
	if timer := s.timer.Swap(nil); timer != nil {
		timer.Stop()
	}
	s.cancel(nil)
}
