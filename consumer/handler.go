package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Handle sets the handler of every message. Consumption begins at Start, or at once when the
// consumer is started. Up to concurrency handlers run at a time; messages of one key are handled in
// order and one at a time.
//
// With ack_mode auto a message is acknowledged when its handler returns nil, and an error is a failed
// delivery, like Nack. With manual, nil leaves the acknowledgement to Ack and Nack, now or later.
// With on_poll the message was acknowledged before, and an error is only counted.
//
// The handler's context ends when its partition is lost (ErrLost), after handler_timeout
// (ErrHandlerTimeout), and when the time for stopping is over (ErrStopDeadline). A panic of the
// handler, and the end of its goroutine by runtime.Goexit, is a failed delivery with an error that
// matches iggyerr.ErrPanic.
//
// Handle returns ErrConsuming when there is another handler or an iteration.
func (c *Consumer[T]) Handle(handler func(ctx context.Context, m *Message[T]) error) error {
	return c.register(func() { c.app.handler = handler }, handler != nil)
}

// HandleBatch is like Handle, for sinks that prefer many messages at once: each call gets up to
// batch_size messages of one partition, in order and without a gap. The next call for that partition
// comes when all of them are settled. An error is a failed delivery of those messages of the batch
// that were not settled by Ack or Nack before.
func (c *Consumer[T]) HandleBatch(handler func(ctx context.Context, batch []*Message[T]) error) error {
	return c.register(func() { c.app.batchHandler = handler }, handler != nil)
}

// register sets where the messages go, and begins to consume when the consumer is connected.
func (c *Consumer[T]) register(set func(), given bool) error {
	if !given {
		return errors.New("iggy: no handler given")
	}
	if err := c.setHandler(set); err != nil {
		return err
	}
	for _, hook := range c.onHandler {
		hook()
	}
	return nil
}

func (c *Consumer[T]) setHandler(set func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.State() >= startstop.StateStopping || c.consuming && c.mode == modeNone {
		return iggyerr.ErrClosed
	}
	if c.mode != modeNone {
		return fmt.Errorf("iggy: consumer %s: %w", c.e.name, ErrConsuming)
	}
	set()
	c.mode = modeHandler
	if c.connected {
		c.startConsuming()
	}
	return nil
}

// callHandler calls the handler with one message.
func (a *app[T]) callHandler(d *deliver.Message) error {
	m, ctx := d.Value.(*Message[T]), d.Queue().Context()
	if a.callsDirectly() {
		return callback.Recover(func() error { return deliver.Checked(a.handler(ctx, m)) })
	}
	return a.callObserved(ctx, []*deliver.Message{d}, func(ctx context.Context) error { return a.handler(ctx, m) })
}

// callsDirectly reports whether calls need neither a timeout nor observation.
func (a *app[T]) callsDirectly() bool {
	return a.e.cfg.HandlerTimeout <= 0 && a.tracer == nil && !a.e.meter.enabled()
}

// callBatchHandler calls the handler with one batch.
func (a *app[T]) callBatchHandler(messages []*deliver.Message) error {
	batch := make([]*Message[T], len(messages))
	for i, d := range messages {
		batch[i] = d.Value.(*Message[T])
	}
	return a.callObserved(messages[0].Queue().Context(), messages, func(ctx context.Context) error { return a.batchHandler(ctx, batch) })
}

// callObserved calls a handler with its timeout, in a span, and measures it.
func (a *app[T]) callObserved(ctx context.Context, messages []*deliver.Message, handler func(context.Context) error) (err error) {
	if d := a.e.cfg.HandlerTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, ErrHandlerTimeout)
		defer cancel()
	}
	ctx, end := a.trace(ctx, messages)
	began := a.e.meter.startHandle()
	callback.Run(func() error { return deliver.Checked(handler(ctx)) }, func(result error) {
		err = result
		if err != nil && errors.Is(context.Cause(ctx), ErrHandlerTimeout) {
			err = &timeoutError{err}
		}
		failure := err
		if errors.Is(err, Drop) {
			failure = nil // it is what the application wants
		}
		a.e.meter.recordHandle(began, failure)
		end(failure)
	})
	return err
}

// timeoutError is the failure of a handler that returned after its timeout.
type timeoutError struct{ err error }

func (e *timeoutError) Error() string { return ErrHandlerTimeout.Error() + ": " + e.err.Error() }

func (e *timeoutError) Unwrap() []error { return []error{ErrHandlerTimeout, e.err} }

func (e *timeoutError) FailureCode() string { return topic.CodeTimeout }
