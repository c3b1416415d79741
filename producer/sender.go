package producer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// run is the partition's sender.
func (p *partition) run() {
	select {
	case <-p.wake:
	case <-p.topic.producer.run.Done():
	}
	p.serve()
}

// serve sends the partition's batches, one after the other, until the producer
// stops; then it gives what is left its outcome.
func (p *partition) serve() {
	producer := p.topic.producer
	defer func() {
		if p.bereft {
			p.bereft = false
			go p.serve()
			return
		}
		producer.senders.Done()
	}()
	for {
		b := p.take(producer.run)
		if b == nil {
			break
		}
		small := b.len() < producer.cfg.MaxBatchMessages/2
		p.deliver(producer.run, b)
		if small {
			// Callers that this answer has woken may have messages for the next batch.
			runtime.Gosched()
		}
	}
	for _, b := range p.shut() {
		p.mu.Lock()
		p.begin(b)
		p.mu.Unlock()
		p.giveUp(b, stopped(b.lastErr))
		p.finish(b)
	}
}

// deliver sends b as often as it must until each of its messages has its
// outcome, or hands the messages on when the partition has gone.
func (p *partition) deliver(run context.Context, b *batch) {
	for p.expire(b); b.len() > 0; p.expire(b) {
		if b.epoch.gate() != nil {
			if p.putBack(b) {
				return
			}
			p.giveUp(b, stopped(b.lastErr)) // the stop has not waited for a callback
			break
		}
		ended, err := p.send(run, b)
		switch {
		case err == nil:
			p.confirm(b)
			return
		case run.Err() != nil:
			p.giveUp(b, stopped(b.lastErr))
		case ended: // the next round gives up what has expired
		case p.gone.Load() && errors.Is(err, iggyerr.ErrNotFound):
			p.moveOn(b, err)
			return
		default:
			p.giveUp(b, err)
		}
	}
	p.finish(b)
}

// stopped is the cause of what the end of the producer leaves without an answer.
func stopped(lastErr error) error {
	if lastErr == nil {
		return iggyerr.ErrClosed
	}
	return fmt.Errorf("%w, the last attempt: %w", iggyerr.ErrClosed, lastErr)
}

// send makes attempts until one succeeds, the retries are used up, or the
// oldest message's time is over, which ended tells.
func (p *partition) send(run context.Context, b *batch) (ended bool, err error) {
	producer := p.topic.producer
	left := func() time.Duration {
		return time.Duration(b.deadline(producer.cfg.DeliveryTimeout) - producer.clock())
	}
	// The retry policy sees failures only, and time is limited only where a request
	// could exceed it: what they cost is not for the usual case.
	err, b.failed = b.failed, nil
	if session := p.link.Live(); err == nil && session != nil && left() > producer.requestTimeout {
		if err = p.request(run, session, b); err == nil {
			return false, nil
		}
	}
	ctx, cancel := context.WithTimeoutCause(run, left(), iggyerr.ErrDeliveryTimeout)
	defer cancel()
	if err != nil {
		err = p.judge(ctx, b, err)
	} else if err = p.attempt(ctx, b); err == nil {
		return false, nil
	}
	confirmed, first := false, true
	err = producer.retry.do(ctx, func(ctx context.Context) error {
		if first {
			first = false
			return err
		}
		producer.retried(p.topic)
		// The policy hides a result that comes as the context ends.
		err := p.attempt(ctx, b)
		confirmed = err == nil
		return err
	})
	if confirmed {
		return false, nil
	}
	return ctx.Err() != nil, err
}

// attempt makes one request, once there is a connection for it.
func (p *partition) attempt(ctx context.Context, b *batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	session, err := p.link.Session(ctx)
	if err != nil {
		if b.lastErr == nil {
			b.lastErr = err
		}
		return err
	}
	if err := p.request(ctx, session, b); err != nil {
		return p.judge(ctx, b, err)
	}
	return nil
}

// request makes one request with the batch, and notes what came of it.
func (p *partition) request(ctx context.Context, session *link.Session, b *batch) error {
	t := p.topic
	b.attempts++
	started := t.producer.clock()
	err := session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.Send(ctx, t.stream, t.name, p.id, &b.wire)
	})
	t.producer.requested(t, p.id, b, time.Duration(t.producer.clock()-started), err)
	if err != nil {
		b.lastErr = err
		b.unsure = b.unsure || iggyerr.MayHaveEffect(err)
	}
	return err
}

// judge tells by the error that it returns whether a failed request is worth another one.
func (p *partition) judge(ctx context.Context, b *batch, err error) error {
	if errors.Is(err, iggyerr.ErrNotFound) {
		if err = p.reconsider(ctx, err); !isAgain(err) {
			return err
		}
	}
	if most := p.topic.producer.cfg.Retry.MaxRetries; most >= 0 && b.attempts > most {
		return &finalError{err}
	}
	return err
}

// reconsider reads the metadata again after the server said that the stream,
// the topic or the partition does not exist. When it does, the metadata was
// about to change and the request is worth another attempt.
func (p *partition) reconsider(ctx context.Context, cause error) error {
	_, err := p.topic.refresh(ctx, p.topic.producer.clock())
	switch {
	case errors.Is(err, iggyerr.ErrNotFound):
		return err
	case err != nil:
		return errors.Join(cause, err)
	case p.gone.Load():
		return fmt.Errorf("partition %s: %w", p.topic.object(int64(p.id)), iggyerr.ErrNotFound)
	default:
		return &againError{cause}
	}
}

// expire gives up the messages at the head of b whose time is over. Those that
// have no more than a hundredth of it left go with them, so that messages which
// came one after another don't end one by one.
func (p *partition) expire(b *batch) {
	producer := p.topic.producer
	timeout := int64(producer.cfg.DeliveryTimeout)
	now := producer.clock()
	if b.len() == 0 || b.messages[0].accepted+timeout > now {
		return
	}
	n := 1
	for n < b.len() && b.messages[n].accepted+timeout-timeout/100 <= now {
		n++
	}
	cause := iggyerr.ErrDeliveryTimeout
	if b.lastErr != nil {
		cause = fmt.Errorf("%w, the last attempt: %w", cause, b.lastErr)
	}
	p.fail(b, n, cause)
}

// giveUp fails all messages of b.
func (p *partition) giveUp(b *batch, cause error) { p.fail(b, b.len(), cause) }

// fail gives the first n messages of b their outcome and drops them from it.
func (p *partition) fail(b *batch, n int, cause error) {
	if n == 0 {
		return
	}
	outcome := b.outcome()
	err := &SendError{
		Stream: p.topic.stream, Topic: p.topic.name, Partition: int64(p.id),
		Attempts: b.attempts, Outcome: outcome, Err: cause,
	}
	producer := p.topic.producer
	producer.noteError(err)
	producer.log.Error("messages given up", zap.String("stream", err.Stream), zap.String("topic", err.Topic),
		zap.Uint32("partition", p.id), zap.Int("count", n), zap.Stringer("outcome", outcome),
		zap.Int("attempt", b.attempts), zap.Error(cause))
	p.settle(b, n, outcome, err)
	b.keep(func(i int) bool { return i >= n })
}

// confirm tells all messages of b that they are confirmed, and lets go of it. It is for the sender.
//
// A callback may end its goroutine, as FailNow of a test does, and this one is the sender's. To call in another one
// would cost each batch more allocations than the request has; instead, one that is lost is replaced.
func (p *partition) confirm(b *batch) {
	n, next, told := b.len(), 0, false
	p.free(b, n, Confirmed)
	defer func() {
		if !told {
			p.bereft = true
			p.tellApart(b, next, n, Confirmed, nil)
		}
		p.finish(b)
	}()
	for next < n {
		p.tell(b, &next, n, Confirmed, nil)
	}
	told = true
}

// settle tells the first n messages of b their outcome. It takes nothing from b. Unlike confirm it returns whatever the
// callbacks do.
func (p *partition) settle(b *batch, n int, outcome Outcome, err error) {
	p.free(b, n, outcome)
	if b.calls {
		p.tellApart(b, 0, n, outcome, err)
		return
	}
	for next := 0; next < n; {
		p.tell(b, &next, n, outcome, err)
	}
}

// free gives the room of the first n messages of b back, before they are told their outcome: a callback may want to
// send again.
func (p *partition) free(b *batch, n int, outcome Outcome) {
	producer := p.topic.producer
	bytes := int64(b.wire.Size())
	if n < b.len() {
		bytes = 0
		for i := range n {
			bytes += int64(len(b.wire.Encoded(i)))
		}
	}
	producer.ceiling.leave(bytes, int64(n))
	producer.settled(p.topic, b, n, bytes, outcome)
}

// tellApart tells in a goroutine of its own, which it waits for, from next on.
func (p *partition) tellApart(b *batch, next, n int, outcome Outcome, err error) {
	for next < n {
		told := make(chan struct{})
		go func() {
			defer close(told)
			p.tell(b, &next, n, outcome, err)
		}()
		<-told
	}
}

// tell calls the settlers from next on, which is where to go on when it ends: behind the one
// that panicked or ended the goroutine, or at n.
func (p *partition) tell(b *batch, next *int, n int, outcome Outcome, err error) {
	returned := false
	defer p.topic.producer.recoverCallback(&returned)
	r := Result{Outcome: outcome, Partition: p.id, Err: err}
	for *next < n {
		rec := &b.messages[*next]
		*next++
		if rec.sink != nil {
			r.ID = b.wire.ID(*next - 1)
			rec.sink.settle(rec.index, r)
		}
	}
	returned = true
}

// errEnded is in the log for a callback that did not return.
var errEnded = errors.New("iggy: a callback ended its goroutine (runtime.Goexit)")

// recoverCallback, deferred, makes a panic of a callback an error in the log; and the end of its goroutine,
// unless it has returned.
func (p *Producer) recoverCallback(returned *bool) {
	if v := recover(); v != nil {
		failure := &iggyerr.PanicError{Value: v, Stack: debug.Stack()}
		p.noteError(failure)
		p.log.Error("a callback of SendAsync panicked", zap.Error(failure))
	} else if !*returned {
		p.noteError(errEnded)
		p.log.Error("a callback of SendAsync did not return", zap.Error(errEnded))
	}
}
