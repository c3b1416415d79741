package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Middleware sees each message before it is accepted, and its outcome; see Use. It may set the
// headers, the id and the payload, and wait until ctx ends. An error, and a change of anything else,
// refuses the message, whose outcome is Failed then. The memory of the payload must not be changed or
// kept.
//
// done, which may be nil, is called once with the outcome, as the function of SendAsync is. It is
// not called after an error.
type Middleware func(ctx context.Context, m *Message) (done func(Result), err error)

// Use adds middleware for every message of the producer and its publishers, except for those of
// SendRaw. The steps of a message are:
//
//   - a Publisher encodes and compresses it,
//   - the span of WithTracerProvider begins, which is in the context of everything below,
//   - the middleware is called, in the order in which Use was given it,
//   - the trace context is added to the headers,
//   - the message is accepted, batched, sent, and counted with its outcome.
//
// The outcome passes the middleware in the reverse order, then ends the span, and then reaches the
// caller. A panic of a middleware refuses the message with an error that matches iggyerr.ErrPanic; a
// panic of done is logged. A middleware that calls runtime.Goexit ends the goroutine of the caller; the
// others, the span and the callback get the outcome nevertheless.
func Use(middleware ...Middleware) Option {
	return func(o *options) { o.middleware = append(o.middleware, middleware...) }
}

// errMiddleware refuses a message for another place than the publisher chose, and perhaps stored.
var errMiddleware = errors.New("middleware has changed the topic, the key or the partition")

// checkMiddleware returns an error when one is nil.
func (o *options) checkMiddleware() error {
	for i, m := range o.middleware {
		if m == nil {
			return fmt.Errorf("iggy: middleware %d of %d is nil", i+1, len(o.middleware))
		}
	}
	return nil
}

// callMiddleware calls the middleware with the message of it, and applies its changes.
func (p *Producer) callMiddleware(ctx context.Context, t *topicState, it *item) error {
	if len(p.middleware) == 0 {
		return nil
	}
	m := Message{
		Stream: t.stream, Topic: t.name, Key: it.key, Partition: it.partition, ID: it.id,
		Payload: it.payload, Headers: slices.Collect(topic.EncodedHeaders(it.headers).All()),
	}
	for _, call := range p.middleware {
		err := callback.Recover(func() error {
			done, err := call(ctx, &m)
			if err == nil && done != nil {
				it.watchers = append(it.watchers, done)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if m.Stream != t.stream || m.Topic != t.name || m.Key != it.key || m.Partition != it.partition {
		return errMiddleware
	}
	it.id, it.payload = m.ID, m.Payload
	it.headers = nil
	return it.addHeaders(m.Headers)
}

// watchers are the functions that the middleware of one message has returned.
type watchers []func(Result)

// reportWatched calls the watchers of a message in the goroutine of its sender.
func (p *Producer) reportWatched(w watchers, r Result) {
	if w != nil {
		w.report(r, p.stats.logCallbackFailure, func() {})
	}
}

// report calls all of them, and then the given function.
func (w watchers) report(r Result, log func(error), then func()) {
	if len(w) == 0 {
		then()
		return
	}
	last := len(w) - 1
	callback.Run(func() error {
		w[last](r)
		return nil
	}, func(err error) {
		log(err)
		w[:last].report(r, log, then)
	})
}
