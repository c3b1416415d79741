package producer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// SendAll sends the messages in this order and waits for all outcomes. It returns nil when all are
// confirmed, and otherwise a *SendAllError with the outcome of each message. The outcomes are
// independent of each other. The messages may be of different topics. See Send for ctx.
func (p *Producer) SendAll(ctx context.Context, messages ...Message) error {
	if err := argument.Context(ctx); err != nil || len(messages) == 0 {
		return err
	}
	common := p.topics.get(messages[0].Stream, messages[0].Topic)
	for i := range messages {
		if messages[i].Stream != messages[0].Stream || messages[i].Topic != messages[0].Topic {
			common = nil
		}
	}
	ctx, call := p.newSendAllCall(ctx, common, len(messages))
	defer call.end(ctx)
	for i := range messages {
		m := &messages[i]
		t := p.topics.get(m.Stream, m.Topic)
		it := item{scratch: call.scratch}
		if err := it.set(m); err != nil {
			call.refuse(t, err)
			continue
		}
		call.send(ctx, t, &it)
	}
	return call.wait(ctx)
}

// sendAllCall is the state of one SendAll or PublishAll.
type sendAllCall struct {
	acceptor acceptor
	group    *resultGroup
	topics   []*topicState
	ids      [][16]byte
	watchers []watched
	scratch  *scratch
	span     span
	waited   bool
}

// watched is a message of a call whose outcome middleware wants.
type watched struct {
	index    uint32
	watchers watchers
}

// newSendAllCall begins a call with n messages of one topic, or of several topics when t is nil. It
// returns the context of the call's span.
func (p *Producer) newSendAllCall(ctx context.Context, t *topicState, n int) (context.Context, *sendAllCall) {
	ctx, span := p.tracing.start(ctx, t, n)
	return ctx, &sendAllCall{
		acceptor: acceptor{producer: p}, group: newResultGroup(n),
		topics: make([]*topicState, 0, n), ids: make([][16]byte, n), scratch: scratches.Get().(*scratch), span: span,
	}
}

func (s *sendAllCall) send(ctx context.Context, t *topicState, it *item) {
	p := s.acceptor.producer
	index := uint32(len(s.topics))
	s.topics = append(s.topics, t)
	var err error
	returned := false
	defer func() {
		if !returned {
			err = t.refuse(-1, callback.ErrGoexit)
		}
		s.ids[index] = it.id
		if it.watchers != nil {
			s.watchers = append(s.watchers, watched{index, it.watchers})
		}
		if err != nil {
			s.group.setResult(index, Result{Outcome: Failed, Err: err})
		}
	}()
	if err = p.prepareItem(ctx, t, it); err != nil {
		err = t.refuse(-1, err)
	} else {
		err = s.acceptor.accept(ctx, t, it, pendingMessage{sink: s.group, index: index, withdrawable: true})
	}
	returned = true
}

func (s *sendAllCall) refuse(t *topicState, err error) {
	s.topics = append(s.topics, t)
	s.group.setResult(uint32(len(s.topics)-1), Result{Outcome: Failed, Err: t.refuse(-1, err)})
}

// wait waits for all outcomes and reports them.
func (s *sendAllCall) wait(ctx context.Context) error {
	s.waited = true
	s.acceptor.flush()
	s.scratch.release()
	results := s.group.wait(ctx, s.topics)
	for i := range results {
		results[i].ID = s.ids[i]
	}
	of := Result{}
	for i := range results {
		if results[i].Outcome != Confirmed {
			of = Result{Outcome: results[i].Outcome, Err: &SendAllError{Results: results}}
			break
		}
	}
	defer s.span.end(of)
	s.report(results)
	return of.Err
}

// report gives the middleware its outcomes. One that ends the goroutine does not keep them from the
// others.
func (s *sendAllCall) report(results []Result) {
	returned := false
	defer func() {
		if !returned {
			s.report(results)
		}
	}()
	for len(s.watchers) > 0 {
		w := s.watchers[0]
		s.watchers = s.watchers[1:]
		s.acceptor.producer.reportWatched(w.watchers, results[w.index])
	}
	returned = true
}

// end ends a call that does not come to wait: a middleware or a custom Partitioner has ended the
// goroutine, or a codec panics. The messages that follow are not sent.
func (s *sendAllCall) end(ctx context.Context) {
	if s.waited {
		return
	}
	for i := len(s.topics); i < len(s.ids); i++ {
		s.topics = append(s.topics, nil)
		s.group.setResult(uint32(i), Result{Outcome: Failed, Err: callback.ErrGoexit})
	}
	_ = s.wait(ctx)
}
