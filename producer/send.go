package producer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// Send sends one message and waits for its outcome. It returns where the message is stored when that
// is confirmed, and a *SendError otherwise, which is also the Err of the result.
//
// ctx bounds the wait for the topic's metadata, for room in the buffer and for the outcome. When
// ctx ends after the message was accepted, a message that was not sent yet is withdrawn and its
// outcome is Failed. A message that was sent has the outcome Unknown and may still be sent again.
// The error then wraps the context's cause.
func (p *Producer) Send(ctx context.Context, m Message) (Result, error) {
	t := p.topics.get(m.Stream, m.Topic)
	if err := argument.Context(ctx); err != nil {
		return t.refused(m.ID, err)
	}
	var it item
	defer it.release()
	if err := it.set(&m); err != nil {
		return t.refused(m.ID, err)
	}
	return p.sendItem(ctx, t, &it)
}

// sendItem sends it and waits for the outcome.
func (p *Producer) sendItem(ctx context.Context, t *topicState, it *item) (r Result, err error) {
	ctx, span := p.tracing.start(ctx, t, 1)
	returned := false
	defer func() { span.end(r) }()
	defer func() {
		if !returned { // a middleware or a custom Partitioner has ended the goroutine
			r, err = t.refused(it.id, callback.ErrGoexit)
		}
		p.reportWatched(it.watchers, r)
	}()
	w := p.getWaiter()
	if err = p.acceptItem(ctx, t, it, pendingMessage{sink: w, withdrawable: true, direct: p.direct}); err != nil {
		w.release(p)
		r = Result{Outcome: Failed, Err: err}
	} else {
		r = w.wait(ctx, t)
		err = r.Err
	}
	r.ID = it.id
	returned = true
	return r, err
}

// acceptItem prepares it and hands it to its partition.
func (p *Producer) acceptItem(ctx context.Context, t *topicState, it *item, m pendingMessage) error {
	a := acceptor{producer: p}
	err := p.prepareItem(ctx, t, it)
	if err != nil {
		return t.refuse(-1, err)
	}
	err = a.accept(ctx, t, it, m)
	a.flush()
	if a.direct != nil {
		a.direct.sendDirect(ctx)
	}
	return err
}

// prepareItem calls the middleware and adds the trace context, unless the item is raw, and checks the
// sizes.
func (p *Producer) prepareItem(ctx context.Context, t *topicState, it *item) error {
	if !it.raw {
		if err := p.callMiddleware(ctx, t, it); err != nil {
			return err
		}
		p.tracing.inject(ctx, it)
	}
	if err := it.check(); err != nil {
		return err
	}
	return it.encryptHeaders()
}
