package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Stop ends the producer. New sends, and those that wait for room, fail with iggyerr.ErrClosed.
// Stop flushes the accepted messages within ctx and the drain timeout. What is left then gets its
// outcome, Failed or Unknown. The returned *StopError counts these messages and those that waited
// for room. A concurrent Start ends with an error. When Stop returns, each message has its outcome,
// callbacks have returned and the connections are closed, unless a callback blocks beyond the end
// of ctx. Stop returns nil before Start. A second call waits for the first one and returns its
// result.
func (p *Producer) Stop(ctx context.Context) error { return p.life.Stop(ctx) }

// stop flushes and releases everything. It is called once, and not at the same time as start.
func (p *Producer) stop(ctx context.Context, started bool) error {
	if !started {
		p.tasks.close()
		return errors.Join(p.connections.stop(ctx), p.stats.metrics.close())
	}
	before := p.topics.unconfirmed()
	flushErr := p.drain(ctx)
	p.tasks.close()
	err := p.shutdown(ctx)

	left := &StopError{Err: flushErr}
	for _, t := range p.topics.list() {
		now, was := t.counters.unconfirmed(), before[t]
		if r := (Remainder{Stream: t.stream, Topic: t.name, Failed: now.failed - was.failed, Unknown: now.unknown - was.unknown}); r.Failed+r.Unknown > 0 {
			left.Remainders = append(left.Remainders, r)
			p.log.Error("messages left at stop", zap.String("stream", r.Stream), zap.String("topic", r.Topic),
				zap.Uint64("failed", r.Failed), zap.Uint64("unknown", r.Unknown))
		}
	}
	if len(left.Remainders) > 0 {
		err = errors.Join(left, err)
	}
	return errors.Join(err, p.stats.metrics.close())
}

// drain flushes within ctx and the drain timeout.
func (p *Producer) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.DrainTimeout, fmt.Errorf("not flushed within the drain timeout of %s", p.cfg.DrainTimeout))
	defer cancel()
	for {
		if err := p.Flush(ctx); err != nil {
			return err
		}
		// A send that was called before Stop may have been accepted after the flush began.
		if p.limit.messages.Load() == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// shutdown closes the connections and waits for the senders, which give what is left its outcome.
func (p *Producer) shutdown(ctx context.Context) error {
	// Closing the connections ends the sends of callers that send themselves. The senders take no
	// longer than their callbacks: they get the drain timeout for that even when ctx has ended.
	wait, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), p.cfg.DrainTimeout, errors.New("callbacks have not returned"))
	defer cancel()
	errs := []error{p.connections.stop(wait)}
	ended := make(chan struct{})
	go func() {
		p.tasks.wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-wait.Done():
		errs = append(errs, fmt.Errorf("iggy: stop producer: %w", context.Cause(wait)))
		p.failRemaining()
	}
	return errors.Join(errs...)
}

// failRemainingTimeout bounds the wait for the callbacks of failRemaining.
const failRemainingTimeout = time.Second

// failRemaining fails the messages that are queued behind callbacks which don't return. Such a
// callback may be waiting for one of these outcomes. The callbacks of the failed messages may block
// as well, so failRemaining waits for them only for a moment.
func (p *Producer) failRemaining() {
	var reports sync.WaitGroup
	for _, t := range p.topics.list() {
		for _, part := range t.allPartitions() {
			left := part.queue.close()
			if len(left) == 0 {
				continue
			}
			reports.Go(func() {
				for _, b := range left {
					part.queue.mu.Lock()
					part.queue.closeWithdrawals(b)
					part.queue.mu.Unlock()
					part.failAll(b, closedError(b.lastErr))
					part.completeUnsent(b)
				}
			})
		}
	}
	reported := make(chan struct{})
	go func() {
		reports.Wait()
		close(reported)
	}()
	select {
	case <-reported:
	case <-time.After(failRemainingTimeout):
	}
}

// untilClosed returns a context that ends with ctx, or with iggyerr.ErrClosed when closing ends
// first.
func untilClosed(ctx, closing context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(closing, func() { cancel(iggyerr.ErrClosed) })
	return ctx, func() { detach(); cancel(nil) }
}
