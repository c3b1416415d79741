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
// The middleware of Use is called around the handler. Handle returns ErrConsuming when there is
// another handler or an iteration.
func (c *Consumer[T]) Handle(handler Handler[T]) error {
	if handler == nil {
		return errNoHandler
	}
	middleware := c.middleware()
	wrapped, err := c.app.wrap(handler, middleware)
	if err != nil {
		return err
	}
	return c.register(func() error {
		if len(c.app.middleware) != len(middleware) {
			return fmt.Errorf("iggy: consumer %s: Use was called during Handle", c.e.name)
		}
		c.app.handler = wrapped
		return nil
	})
}

// HandleBatch is like Handle, for sinks that prefer many messages at once: each call gets up to
// batch_size messages of one partition, in order and without a gap. The next call for that partition
// comes when all of them are settled. An error is a failed delivery of those messages of the batch
// that were not settled by Ack or Nack before.
func (c *Consumer[T]) HandleBatch(handler func(ctx context.Context, batch []*Message[T]) error) error {
	if handler == nil {
		return errNoHandler
	}
	return c.register(func() error {
		if err := c.refuseMiddleware(); err != nil {
			return err
		}
		c.app.batchHandler = handler
		return nil
	})
}

var errNoHandler = errors.New("iggy: no handler given")

// register sets where the messages go, and begins to consume when the consumer is connected.
func (c *Consumer[T]) register(set func() error) error {
	if err := c.setHandler(set); err != nil {
		return err
	}
	for _, hook := range c.onHandler {
		hook()
	}
	return nil
}

func (c *Consumer[T]) setHandler(set func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.State() >= startstop.StateStopping || c.consuming && c.mode == modeNone {
		return iggyerr.ErrClosed
	}
	if c.mode != modeNone {
		return fmt.Errorf("iggy: consumer %s: %w", c.e.name, ErrConsuming)
	}
	if err := set(); err != nil {
		return err
	}
	c.mode = modeHandler
	if c.connected {
		c.startConsuming()
	}
	return nil
}

// callHandler calls the handler with one message. It does not recover a panic, unless there is a tracer.
func (a *app[T]) callHandler(d *deliver.Message) error {
	m, ctx := d.Value.(*Message[T]), d.Queue().Context()
	if a.tracer == nil {
		return deliver.Checked(a.handler(ctx, m))
	}
	return a.callTraced(ctx, []*deliver.Message{d}, func(ctx context.Context) error { return a.handler(ctx, m) })
}

// callBatchHandler calls the handler with one batch.
func (a *app[T]) callBatchHandler(messages []*deliver.Message) error {
	batch := make([]*Message[T], len(messages))
	for i, d := range messages {
		batch[i] = d.Value.(*Message[T])
	}
	return a.callTraced(messages[0].Queue().Context(), messages, func(ctx context.Context) error {
		return a.observe(ctx, func(ctx context.Context) error { return a.batchHandler(ctx, batch) })
	})
}

// callTraced calls a handler in a span.
func (a *app[T]) callTraced(ctx context.Context, messages []*deliver.Message, handler func(context.Context) error) (err error) {
	ctx, end := a.trace(ctx, messages)
	callback.Run(func() error { return deliver.Checked(handler(ctx)) }, func(result error) {
		err = result
		end(failureOf(err))
	})
	return err
}

// timeoutError is the failure of a handler that returned after its timeout.
type timeoutError struct{ err error }

func (e *timeoutError) Error() string { return ErrHandlerTimeout.Error() + ": " + e.err.Error() }

func (e *timeoutError) Unwrap() []error { return []error{ErrHandlerTimeout, e.err} }

func (e *timeoutError) FailureCode() string { return topic.CodeTimeout }
