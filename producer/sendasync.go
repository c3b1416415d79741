package producer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// SendAsync sends one message without waiting for its outcome. It calls done exactly once with the
// outcome; done may be nil. For a message that is refused, done is called before SendAsync returns.
// Otherwise the goroutine that sends for the message's partition calls done, or waits for another
// goroutine that does. So done must not block for long, and it must not call Send, which would
// wait for done to return. No lock is held during the call. A panic in done is recovered and
// logged. runtime.Goexit in done ends only the call and is logged, too.
//
// ctx bounds the wait for the topic's metadata, which the first message of a topic needs, and for
// room in the buffer. It does not affect an accepted message. Messages that one goroutine sends one
// after another are accepted in that order.
func (p *Producer) SendAsync(ctx context.Context, m Message, done func(Result)) {
	t := p.topics.get(m.Stream, m.Topic)
	var it item
	defer it.release()
	err := it.set(&m)
	if err == nil {
		p.sendAsyncItem(ctx, t, &it, done)
		return
	}
	if err = t.refuse(-1, err); done != nil {
		p.reportRefused(callbackSink(done), Result{Outcome: Failed, Err: err})
	}
}

// reportRefused gives sink the result of a message that was not accepted.
func (p *Producer) reportRefused(sink resultSink, r Result) {
	callback.Run(func() error {
		sink.setResult(0, r)
		return nil
	}, p.stats.logCallbackFailure)
}

// sendAsyncItem sends it without waiting for the outcome.
func (p *Producer) sendAsyncItem(ctx context.Context, t *topicState, it *item, done func(Result)) {
	var m pendingMessage
	if done != nil {
		m.sink = callbackSink(done)
	}
	if err := argument.Context(ctx); err != nil {
		if err = t.refuse(-1, err); m.sink != nil {
			p.reportRefused(m.sink, Result{Outcome: Failed, ID: it.id, Err: err})
		}
		return
	}
	if p.tracing.enabled() {
		var span span
		ctx, span = p.tracing.start(ctx, t, 1)
		inner := m.sink
		m.sink = callbackSink(func(r Result) {
			span.end(r)
			if inner != nil {
				inner.setResult(0, r)
			}
		})
	}
	if len(p.middleware) > 0 {
		p.sendWatched(ctx, t, it, m.sink)
		return
	}
	p.acceptAsync(ctx, t, it, m)
}

// sendWatched sends a copy of it whose middleware learns the outcome, which comes after the call: so
// without middleware a message allocates nothing.
func (p *Producer) sendWatched(ctx context.Context, t *topicState, it *item, sink resultSink) {
	watched := *it
	defer func() { it.scratch = watched.scratch }() // the caller releases it
	p.acceptAsync(ctx, t, &watched, pendingMessage{sink: callbackSink(func(r Result) {
		watched.watchers.report(r, p.stats.logCallbackFailure, func() {
			if sink != nil {
				sink.setResult(0, r)
			}
		})
	})})
}

// acceptAsync hands it to its partition. The sink of a message that is refused has its result before
// acceptAsync returns.
func (p *Producer) acceptAsync(ctx context.Context, t *topicState, it *item, m pendingMessage) {
	returned := false
	defer func() {
		if !returned {
			p.refuseAsync(it, m.sink, t.refuse(-1, callback.ErrGoexit))
		}
	}()
	err := p.acceptItem(ctx, t, it, m)
	returned = true
	p.refuseAsync(it, m.sink, err)
}

// refuseAsync gives sink, which may be nil, the result of a message that was not accepted because of
// err, if that is not nil.
func (p *Producer) refuseAsync(it *item, sink resultSink, err error) {
	if err != nil && sink != nil {
		p.reportRefused(sink, Result{Outcome: Failed, ID: it.id, Err: err})
	}
}
