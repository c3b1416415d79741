package producer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
)

// SendAll sends the messages in this order and waits for all outcomes. It returns nil when all are
// confirmed, and otherwise a *SendAllError with the outcome of each message. The outcomes are
// independent of each other. The messages may be of different topics. See Send for ctx.
func (p *Producer) SendAll(ctx context.Context, messages ...Message) error {
	if err := argument.Context(ctx); err != nil || len(messages) == 0 {
		return err
	}
	batch := p.newSendAllCall(ctx, len(messages))
	defer batch.acceptor.flush() // also when a custom Partitioner calls runtime.Goexit
	for i := range messages {
		batch.mixed = batch.mixed || messages[i].Stream != messages[0].Stream || messages[i].Topic != messages[0].Topic
	}
	for i := range messages {
		m := &messages[i]
		t := p.topic(m.Stream, m.Topic)
		it, err := m.item(batch.scratch)
		if err != nil {
			batch.refuse(t, err)
			continue
		}
		batch.send(t, &it, len(m.Payload))
	}
	return batch.wait()
}

// sendAllCall is the state of one SendAll or PublishAll.
type sendAllCall struct {
	ctx      context.Context
	acceptor acceptor
	group    *resultGroup
	topics   []*topicState
	scratch  *scratch
	mixed    bool // the messages are of several topics
	span     span
}

func (p *Producer) newSendAllCall(ctx context.Context, n int) *sendAllCall {
	return &sendAllCall{
		ctx: ctx, acceptor: acceptor{producer: p}, group: newResultGroup(n),
		topics: make([]*topicState, 0, n), scratch: scratches.Get().(*scratch),
	}
}

func (s *sendAllCall) send(t *topicState, it *item, plain int) {
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
		err = s.acceptor.accept(s.ctx, t, it, pendingMessage{sink: s.group, index: index, withdrawable: true})
	}
	if err != nil {
		s.group.setResult(index, Result{Outcome: Failed, ID: it.id, Err: err})
	}
}

func (s *sendAllCall) refuse(t *topicState, err error) {
	s.topics = append(s.topics, t)
	s.group.setResult(uint32(len(s.topics)-1), Result{Outcome: Failed, Err: t.refuse(-1, err)})
}

func (s *sendAllCall) wait() error {
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
