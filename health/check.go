package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// entry is a registered checker. Registry.mu guards it.
type entry struct {
	name      string
	checker   Checker
	component Component
	run       *checkRun // the check in progress, nil when there is none
}

// checkRun is one call of a checker.
type checkRun struct {
	done     chan struct{} // closed when the result is known, or the timeout has passed
	timedOut bool
}

var (
	errNotChecked = errors.New("not checked yet")
	// errGoexit is the error of a check that ended its goroutine by runtime.Goexit.
	errGoexit = errors.New("the check ended its goroutine")
)

func newEntry(name string, c Checker) *entry {
	return &entry{name: name, checker: c, component: Component{Status: Down, LastError: errNotChecked.Error()}}
}

// startCheck starts a check, unless the last result is recent enough. It returns the check to wait
// for, nil when there is none. r.mu is held.
func (r *Registry) startCheck(e *entry) *checkRun {
	switch {
	case e.run != nil && e.run.timedOut, r.stopped:
		return nil // the component stays down until the checker returns
	case e.run != nil:
		return e.run
	case !e.component.Checked.IsZero() && time.Since(e.component.Checked) < r.cfg.Interval:
		return nil
	}
	run := &checkRun{done: make(chan struct{})}
	e.run = run
	r.checks.Go(func() { r.runCheck(e, run) })
	return run
}

// runCheck calls the checker. The result is set when it returns, or when the timeout passes.
func (r *Registry) runCheck(e *entry, run *checkRun) {
	ctx, cancel := context.WithTimeoutCause(r.closed, r.cfg.Timeout, fmt.Errorf("no answer within %v", r.cfg.Timeout))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if e.run == run {
			run.timedOut = true
			r.setResult(e, run, Result{Status: Down, Err: context.Cause(ctx)}, nil)
		}
	})
	var result Result
	var detail Detail
	callback.Run(func() error {
		result, detail = callChecker(ctx, e.checker)
		return nil
	}, func(err error) {
		if err != nil {
			result, detail = Result{Status: Down, Err: r.failure(e.name, err)}, nil
		}
		stop()
		r.mu.Lock()
		defer r.mu.Unlock()
		e.run = nil
		if !run.timedOut {
			r.setResult(e, run, result, detail)
		}
	})
}

// callChecker calls a checker, and converts what it returned. Both may panic, as for an error that
// is a nil pointer. The detail is encoded at once, since the component may change it later.
func callChecker(ctx context.Context, c Checker) (result Result, detail Detail) {
	result = c.Check(ctx)
	if result.Err != nil {
		result.Err = errors.New(result.Err.Error())
	}
	if result.Detail != nil {
		var err error
		if detail, err = json.Marshal(result.Detail); err != nil {
			detail, _ = json.Marshal("can't be shown: " + err.Error())
		}
	}
	return result, detail
}

// failure is the error that is shown for a checker that did not return. The log has the stack of a
// panic.
func (r *Registry) failure(name string, err error) error {
	var panicked *iggyerr.PanicError
	if errors.Is(err, callback.ErrGoexit) || !errors.As(err, &panicked) {
		return errGoexit
	}
	r.log.Error("a health check panicked", zap.String("component", name), zap.Any("panic", panicked.Value), zap.ByteString("stack", panicked.Stack))
	return fmt.Errorf("panic: %v", panicked.Value)
}

// setResult updates the state of a component. r.mu is held.
func (r *Registry) setResult(e *entry, run *checkRun, result Result, detail Detail) {
	before, now := e.component, time.Now()
	after := Component{
		Status: Down, Since: result.Since, Checked: now, Detail: detail,
		LastError: before.LastError, LastErrorAt: before.LastErrorAt,
	}
	if result.Status == Up {
		after.Status = Up
	}
	first := before.Checked.IsZero()
	if first {
		after.LastError = ""
	}
	if result.Err != nil && (result.Err.Error() != after.LastError || after.Status == Down) {
		after.LastError, after.LastErrorAt = result.Err.Error(), now
	}
	if after.Since.IsZero() {
		after.Since = before.Since
		if first || before.Status != after.Status {
			after.Since = now
		}
	}
	e.component = after
	close(run.done)
	r.logChange(e.name, first, before, after)
}

// logChange logs a change of the status. r.mu is held.
func (r *Registry) logChange(name string, first bool, before, after Component) {
	component := zap.String("component", name)
	switch {
	case !first && before.Status == after.Status, r.stopped:
	case after.Status == Up:
		r.log.Info("up", component)
	default:
		r.log.Warn("down", component, zap.String("error", after.LastError))
	}
}
