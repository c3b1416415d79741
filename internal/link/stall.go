package link

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errStalled is the cause of the end of a request that the server did not answer within the request
// timeout.
var errStalled = errors.New("no answer within the request timeout")

// stallSteps is the number of steps in which a request timeout expires.
const stallSteps = 10

// stall ends the context of a request that the server does not answer in time.
//
// The timeout expires in steps, and one that is late counts as one: the time in which the process
// was suspended, by a signal or with its container, says nothing about the server. Its answer may be
// there when the process goes on, and there is time left to read it.
type stall struct {
	cancel context.CancelCauseFunc
	step   time.Duration

	mu    sync.Mutex
	timer *time.Timer
	left  int // steps, 0 when the request has ended
}

// withRequestTimeout returns a context that ends with errStalled after the timeout, and its stall,
// which is to be stopped after the request.
func withRequestTimeout(ctx context.Context, timeout time.Duration) (context.Context, *stall) {
	bounded, cancel := context.WithCancelCause(ctx)
	s := &stall{cancel: cancel, step: max(timeout/stallSteps, 1), left: stallSteps}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(s.step, func() {
		if s.expired() {
			cancel(errStalled)
		}
	})
	return bounded, s
}

// expired counts a step and reports whether it was the last one.
func (s *stall) expired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return false
	}
	if s.left--; s.left == 0 {
		return true
	}
	s.timer.Reset(s.step)
	return false
}

// stop releases the timer and ends the context.
func (s *stall) stop() {
	s.mu.Lock()
	s.left = 0
	s.timer.Stop()
	s.mu.Unlock()
	s.cancel(nil)
}
