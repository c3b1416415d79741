package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
)

// Detail is what a component says about itself, as JSON.
type Detail = json.RawMessage

// entry is a registered checker. The Registry's lock guards it.
type entry struct {
	name      string
	checker   Checker
	component Component
	run       *run // under way, possibly for longer than it may
}

// run is one call of a checker.
type run struct {
	began time.Time
	// settled is closed when the result is known, the time limit's included.
	settled chan struct{}
	late    bool
}

var (
	errNotChecked = errors.New("not checked yet")
	// errExited is what a check failed with that ended its goroutine, by runtime.Goexit.
	errExited = errors.New("the check ended its goroutine")
)

func newEntry(name string, c Checker) *entry {
	return &entry{name: name, checker: c, component: Component{Status: Down, LastError: errNotChecked.Error()}}
}

// begin starts a check unless the last result is recent enough, and returns the one
// to wait for, if any. The caller holds the lock.
func (r *Registry) begin(e *entry) *run {
	switch {
	case e.run != nil && e.run.late, r.stopped:
		return nil // it is down already, and stays so until it returns
	case e.run != nil:
		return e.run
	case !e.component.Checked.IsZero() && time.Since(e.component.Checked) < r.cfg.Interval:
		return nil
	}
	e.run = &run{began: time.Now(), settled: make(chan struct{})}
	r.runs.Go(func() { r.check(e, e.run) })
	return e.run
}

// check calls the checker and settles the run, at the latest when the time is up.
func (r *Registry) check(e *entry, current *run) {
	ctx, cancel := context.WithTimeoutCause(r.life, r.cfg.Timeout, fmt.Errorf("no answer within %v", r.cfg.Timeout))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if e.run == current {
			current.late = true
			r.settle(e, current, Result{Status: Down, Err: context.Cause(ctx)}, nil)
		}
	})
	result, detail := Result{Status: Down, Err: errExited}, Detail(nil)
	defer func() { // also when the checker ends the goroutine
		stop()
		r.mu.Lock()
		defer r.mu.Unlock()
		e.run = nil
		if !current.late {
			r.settle(e, current, result, detail)
		}
	}()
	result, detail = r.call(ctx, e)
}

// call runs the checker under a recover.
func (r *Registry) call(ctx context.Context, e *entry) (result Result, detail Detail) {
	defer func() {
		if p := recover(); p != nil {
			// The stack is for the log: a probe's answer has no room for it.
			r.log.Error("a health check panicked", zap.String("component", e.name), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			result, detail = Result{Status: Down, Err: fmt.Errorf("panic: %v", p)}, nil
		}
	}()
	result = e.checker.Check(ctx)
	if result.Err != nil {
		// Here and not when it is shown: a nil pointer that became an error by mistake panics.
		result.Err = errors.New(result.Err.Error())
	}
	if result.Detail != nil {
		// Here and not when it is shown: the component may go on changing it.
		var err error
		if detail, err = json.Marshal(result.Detail); err != nil {
			detail, _ = json.Marshal("can't be shown: " + err.Error())
		}
	}
	return result, detail
}

// settle makes a result the component's state. The caller holds the lock.
func (r *Registry) settle(e *entry, current *run, result Result, detail Detail) {
	was, now := e.component, time.Now()
	is := Component{
		Status: Down, Since: result.Since, Checked: now, Detail: detail,
		LastError: was.LastError, LastErrorAt: was.LastErrorAt,
	}
	if result.Status == Up {
		is.Status = Up
	}
	first := was.Checked.IsZero()
	if first {
		is.LastError = ""
	}
	if result.Err != nil && (result.Err.Error() != is.LastError || is.Status == Down) {
		is.LastError, is.LastErrorAt = result.Err.Error(), now
	}
	if is.Since.IsZero() {
		is.Since = was.Since
		if first || was.Status != is.Status {
			is.Since = now
		}
	}
	e.component = is
	close(current.settled)
	r.logChange(e.name, first, was, is)
}

func (r *Registry) logChange(name string, first bool, was, is Component) {
	component := zap.String("component", name)
	switch {
	case !first && was.Status == is.Status, r.stopped:
	case is.Status == Up:
		r.log.Info("up", component)
	default:
		r.log.Warn("down", component, zap.String("error", is.LastError))
	}
}
