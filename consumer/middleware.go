package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// Handler handles one message.
type Handler[T any] func(ctx context.Context, m *Message[T]) error

// Middleware returns a handler that calls next, and does something before or after that, or in its
// place. See Consumer.Use.
type Middleware[T any] func(next Handler[T]) Handler[T]

// errMiddleware says that a way to consume ignores the middleware.
var errMiddleware = errors.New("middleware is called by Handle only, and Use was called")

// Use adds middleware around the handler of Handle. The calls of one delivery are, from the outside:
//
//   - the span of WithTracerProvider, which is in the context of everything below,
//   - the middleware, in the order in which Use was given it,
//   - the metric of the handler's duration,
//   - handler_timeout, so a middleware may wait for longer, and one that calls the handler several
//     times gives it that time for each attempt,
//   - the handler.
//
// What the outermost middleware returns decides about the delivery, as a handler's error does. A
// panic of the handler is an error that matches iggyerr.ErrPanic to the middleware; a panic of a
// middleware passes the ones around it and is a failed delivery.
//
// HandleBatch, Next and Messages call no middleware, and return an error after Use. Use returns
// ErrConsuming after Handle, HandleBatch, Next or Messages.
func (c *Consumer[T]) Use(middleware ...Middleware[T]) error {
	for i, m := range middleware {
		if m == nil {
			return fmt.Errorf("iggy: consumer %s: middleware %d of %d is nil", c.e.name, i+1, len(middleware))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.consuming || c.mode != modeNone {
		return fmt.Errorf("iggy: consumer %s: use middleware: %w", c.e.name, ErrConsuming)
	}
	c.app.middleware = append(c.app.middleware, middleware...)
	return nil
}

// middleware returns the middleware that Use was given so far.
func (c *Consumer[T]) middleware() []Middleware[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app.middleware
}

// refuseMiddleware returns an error when there is middleware. c.mu is held.
func (c *Consumer[T]) refuseMiddleware() error {
	if len(c.app.middleware) == 0 {
		return nil
	}
	return fmt.Errorf("iggy: consumer %s: %w", c.e.name, errMiddleware)
}

// wrap returns the handler with the middleware around it.
func (a *app[T]) wrap(handler Handler[T], middleware []Middleware[T]) (Handler[T], error) {
	if len(middleware) == 0 && a.e.cfg.HandlerTimeout <= 0 && !a.e.meter.enabled() {
		return handler, nil // deliver recovers its panic
	}
	next := a.observed(handler)
	for i, m := range slices.Backward(middleware) {
		if next = m(next); next == nil {
			return nil, fmt.Errorf("iggy: consumer %s: middleware %d of %d returned no handler", a.e.name, i+1, len(middleware))
		}
	}
	return next, nil
}

// observed returns a handler that calls the given one with its timeout, measures it, and returns its
// panic as an error.
func (a *app[T]) observed(handler Handler[T]) Handler[T] {
	return func(ctx context.Context, m *Message[T]) error {
		return a.observe(ctx, func(ctx context.Context) error { return handler(ctx, m) })
	}
}

// observe calls a handler with its timeout, measures it, and returns its panic as an error.
func (a *app[T]) observe(ctx context.Context, handler func(context.Context) error) (err error) {
	if d := a.e.cfg.HandlerTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, ErrHandlerTimeout)
		defer cancel()
	}
	began := a.e.meter.startHandle()
	callback.Run(func() error { return deliver.Checked(handler(ctx)) }, func(result error) {
		err = result
		if err != nil && errors.Is(context.Cause(ctx), ErrHandlerTimeout) {
			err = &timeoutError{err}
		}
		a.e.meter.recordHandle(began, failureOf(err))
	})
	return err
}

// failureOf returns err, or nil for what the application wants: that a message is dropped.
func failureOf(err error) error {
	if errors.Is(err, Drop) {
		return nil
	}
	return err
}
