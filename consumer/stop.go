package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// hookGrace is how long a stop waits for hooks after everything else is done.
const hookGrace = time.Second

// drainContext returns a context for the drain: it ends after the drain timeout, and early enough
// to leave a fifth of the caller's time to what follows.
func drainContext(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		drain = min(drain, left-left/5)
	}
	return context.WithTimeoutCause(ctx, drain, ErrStopDeadline)
}

// drain ends the consumption: it waits for the messages in flight until work ends, commits and
// leaves the group. The error counts what is unfinished.
func (e *engine) drain(ctx, work context.Context) error {
	e.pool.BeginStop()
	remaining := e.stopMachines(ctx, work)
	e.pool.Close()
	switch {
	case remaining.Err != nil || remaining.Unfinished > remaining.Waiting || remaining.Waiting == 0 && remaining.Uncommitted > 0:
	case remaining.Waiting > 0:
		// Nobody works on them, so the stop was in time. What was acknowledged behind them can't be
		// committed before them.
		e.log.Info("stopped, messages that wait for redelivery are delivered again",
			zap.Int("count", remaining.Waiting), zap.Int("acknowledged", remaining.Uncommitted))
		return nil
	default:
		return nil
	}
	return &StopError{Consumer: e.name, Unfinished: remaining.Unfinished, Waiting: remaining.Waiting, Uncommitted: remaining.Uncommitted, Err: remaining.Err}
}

// stopMachines has the engines end their memberships, at the same time, and returns what remains.
func (e *engine) stopMachines(ctx, work context.Context) group.Remaining {
	if e.parking == nil {
		return e.machine.Stop(ctx, work)
	}
	parked := make(chan group.Remaining, 1)
	go func() { parked <- e.parking.machine.Stop(ctx, work) }()
	remaining := e.machine.Stop(ctx, work)
	more := <-parked
	remaining.Unfinished += more.Unfinished
	remaining.Waiting += more.Waiting
	remaining.Uncommitted += more.Uncommitted
	remaining.Err = errors.Join(remaining.Err, more.Err)
	return remaining
}

// stop drains and releases everything.
func (e *engine) stop(ctx, work context.Context) error {
	err := e.drain(ctx, work)
	e.close()
	if e.started.Load() {
		select {
		case <-e.ended:
		case <-ctx.Done():
		}
	}
	if waitErr := e.pool.Wait(ctx); waitErr != nil && err == nil {
		err = &StopError{Consumer: e.name, Err: fmt.Errorf("handlers still running: %w", waitErr)}
	}
	err = errors.Join(err, e.link.Stop(ctx))
	hooks := e.hooks.close()
	grace := time.NewTimer(hookGrace)
	defer grace.Stop()
	select {
	case <-hooks:
	case <-grace.C:
		e.log.Warn("hook still running after the consumer stopped")
	case <-ctx.Done():
	}
	return err
}

// close ends everything, and does not wait.
func (e *engine) close() {
	if e.parking != nil {
		e.parking.close()
	}
	e.machine.Close(iggyerr.ErrClosed)
	e.cancel(iggyerr.ErrClosed)
	e.pool.Close()
	e.meter.stop()
}
