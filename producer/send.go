package producer

import (
	"context"
	"time"
)

// Send sends one message and waits for its outcome: nil means confirmed, any
// other result is a *SendError.
//
// ctx bounds the wait for the topic's metadata, for room in the buffer and for
// the outcome. When it ends after the message was accepted, the message is
// withdrawn and Failed if it was not sent yet; otherwise its outcome is Unknown, and it
// may still be sent again. The error then wraps the context's cause.
func (p *Producer) Send(ctx context.Context, r Message) error {
	t := p.topic(r.Stream, r.Topic)
	it, err := r.item(nil)
	defer it.release()
	if err != nil {
		return t.refuse(-1, err)
	}
	return p.sendItem(ctx, t, &it, len(r.Payload))
}

// sendItem sends and waits. plain is the size of the payload before it is compressed.
func (p *Producer) sendItem(ctx context.Context, t *topicState, it *item, plain int) error {
	ctx, span := p.tracing.start(ctx, t, 1)
	w := p.getWaiter()
	r := Result{Outcome: Failed, ID: it.id}
	if r.Err = p.acceptItem(ctx, t, it, plain, pending{sink: w, withdraws: true, direct: p.direct}); r.Err != nil {
		w.release(p)
	} else {
		r = w.wait(ctx, t)
	}
	span.end(r)
	return r.Err
}

// acceptItem completes it and has it accepted.
func (p *Producer) acceptItem(ctx context.Context, t *topicState, it *item, plain int, rec pending) error {
	a := acceptor{producer: p}
	err := p.prepareItem(ctx, t, it, plain)
	if err != nil {
		return t.refuse(-1, err)
	}
	err = a.accept(ctx, t, it, rec)
	a.flush()
	if a.direct != nil {
		a.direct.sendDirect(ctx)
	}
	return err
}

// prepareItem compresses, adds the trace context and checks.
func (p *Producer) prepareItem(ctx context.Context, t *topicState, it *item, plain int) error {
	if err := t.packing.pack(it); err != nil {
		return err
	}
	p.tracing.inject(ctx, it)
	return it.check(plain)
}

// SendAll sends messages in this order and waits for all outcomes. nil means
// that all were confirmed, any other result is a *SendAllError with the outcome of
// each message; they are independent of each other. See Send for ctx. The messages may be
// of different topics.
func (p *Producer) SendAll(ctx context.Context, messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	batch := p.startAll(ctx, len(messages))
	defer batch.acceptor.flush() // also when a custom Partitioner ends the goroutine
	for i := range messages {
		batch.mixed = batch.mixed || messages[i].Stream != messages[0].Stream || messages[i].Topic != messages[0].Topic
	}
	for i := range messages {
		r := &messages[i]
		t := p.topic(r.Stream, r.Topic)
		it, err := r.item(batch.scratch)
		if err != nil {
			batch.refuse(t, err)
			continue
		}
		batch.send(t, &it, len(r.Payload))
	}
	return batch.wait()
}

// sendAll is a SendAll under way.
type sendAll struct {
	ctx      context.Context
	acceptor acceptor
	group    *group
	topics   []*topicState
	scratch  *scratch
	mixed    bool // the messages are of several topics
	span     span
}

func (p *Producer) startAll(ctx context.Context, n int) *sendAll {
	return &sendAll{
		ctx: ctx, acceptor: acceptor{producer: p}, group: newGroup(n),
		topics: make([]*topicState, 0, n), scratch: scratches.Get().(*scratch),
	}
}

func (s *sendAll) send(t *topicState, it *item, plain int) {
	p := s.acceptor.producer
	index := uint32(len(s.topics))
	if s.span.Span == nil && p.tracing.enabled() {
		all := t
		if s.mixed {
			all = nil
		}
		s.ctx, s.span = p.tracing.start(s.ctx, all, len(s.group.results))
	}
	s.topics = append(s.topics, t)
	err := p.prepareItem(s.ctx, t, it, plain)
	if err != nil {
		err = t.refuse(-1, err)
	} else {
		err = s.acceptor.accept(s.ctx, t, it, pending{sink: s.group, index: index, withdraws: true})
	}
	if err != nil {
		s.group.settle(index, Result{Outcome: Failed, ID: it.id, Err: err})
	}
}

func (s *sendAll) refuse(t *topicState, err error) {
	s.topics = append(s.topics, t)
	s.group.settle(uint32(len(s.topics)-1), Result{Outcome: Failed, Err: t.refuse(-1, err)})
}

func (s *sendAll) wait() error {
	s.acceptor.flush()
	s.scratch.release()
	results := s.group.wait(s.ctx, s.topics)
	for i := range results {
		if results[i].Outcome != Confirmed {
			err := &SendAllError{Results: results}
			s.span.end(Result{Outcome: results[i].Outcome, Err: err})
			return err
		}
	}
	s.span.end(Result{})
	return nil
}

// SendAsync sends one message and does not wait for its outcome: done is called
// with it, exactly once. A message that is refused has done called before SendAsync
// returns; otherwise done is called by the goroutine that sends for the message's partition, or by one that
// it waits for, so it must not block for long, and a Send in it would wait for itself until Stop. It
// may be nil. No lock is held during the call; a panic in it is recovered and logged, and so is
// runtime.Goexit, which ends only the call.
//
// ctx bounds the wait for the topic's metadata, which the first message of a
// topic needs, and for room in the buffer. It has no influence on an accepted message.
// Messages sent one after another by one goroutine are accepted in that order.
func (p *Producer) SendAsync(ctx context.Context, r Message, done func(Result)) {
	t := p.topic(r.Stream, r.Topic)
	it, err := r.item(nil)
	defer it.release()
	if err == nil {
		p.sendAsyncItem(ctx, t, &it, len(r.Payload), done)
		return
	}
	if err = t.refuse(-1, err); done != nil {
		p.answer(callback(done), Result{Outcome: Failed, Err: err})
	}
}

// answer tells sink of a message that was refused.
func (p *Producer) answer(sink settler, r Result) {
	returned := false
	defer p.recoverCallback(&returned)
	sink.settle(0, r)
	returned = true
}

// sendAsyncItem sends without waiting.
func (p *Producer) sendAsyncItem(ctx context.Context, t *topicState, it *item, plain int, done func(Result)) {
	var rec pending
	if done != nil {
		rec.sink = callback(done)
	}
	if p.tracing.enabled() {
		var span span
		ctx, span = p.tracing.start(ctx, t, 1)
		inner := rec.sink
		rec.sink = callback(func(r Result) {
			span.end(r)
			if inner != nil {
				inner.settle(0, r)
			}
		})
	}
	if err := p.acceptItem(ctx, t, it, plain, rec); err != nil && rec.sink != nil {
		p.answer(rec.sink, Result{Outcome: Failed, ID: it.id, Err: err})
	}
}

// item is r in the form in which it is appended.
func (r *Message) item(s *scratch) (item, error) {
	it := item{key: r.Key, partition: r.Partition, id: r.ID, payload: r.Payload, scratch: s}
	return it, it.add(r.Headers)
}

// clock is the producer's time: nanoseconds since it was made, monotonic. It costs
// half of what time.Now does.
func (p *Producer) clock() int64 { return int64(time.Since(p.began)) }

// wallAt is the time of day at a time of the clock, in nanoseconds since the epoch.
func (p *Producer) wallAt(clock int64) int64 { return p.midnight.Load() + clock }

// setWall follows the system's time of day; it is called for each batch.
func (p *Producer) setWall() {
	now := time.Now()
	p.midnight.Store(now.UnixNano() - int64(now.Sub(p.began)))
}
