package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// counts are numbers of messages that were not confirmed, of one topic.
type counts struct{ failed, unknown uint64 }

// Remainder is what a stop left unconfirmed of one topic.
type Remainder struct {
	// Stream and Topic name the topic.
	Stream, Topic string
	// Failed messages were surely not stored.
	Failed uint64
	// Unknown messages were sent and not answered.
	Unknown uint64
}

// StopError says that a stop could not have everything confirmed. Each message has
// got its outcome all the same.
type StopError struct {
	// Remainders has an entry for each topic of which something is left.
	Remainders []Remainder
	// Err is why the flush ended early; nil when it did not, and the messages
	// failed by themselves.
	Err error
}

// Error gives the counts by topic and outcome.
func (e *StopError) Error() string {
	var b strings.Builder
	b.WriteString("iggy: producer stopped with unconfirmed messages:")
	for i, r := range e.Remainders {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s/%s %d failed and %d unknown", r.Stream, r.Topic, r.Failed, r.Unknown)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns why the flush ended early.
func (e *StopError) Unwrap() error { return e.Err }

// Stop ends the producer. New sends are refused with iggyerr.ErrClosed, and those
// that wait for room are, too. What was accepted is flushed, within ctx and the
// drain timeout; what is left then gets its outcome, Failed or Unknown, and is
// counted in the returned *StopError, beside what waited. A Start that is under way ends. When Stop returns, each message has had its
// outcome, callbacks have returned and the connections are closed, unless a callback
// blocks beyond the end of ctx. Stop before Start, and a second Stop, return nil.
func (p *Producer) Stop(ctx context.Context) error {
	p.close(iggyerr.ErrClosed) // ends a Start that is under way
	p.startMu.Lock()
	defer p.startMu.Unlock()
	phase := p.phase.Swap(phaseClosed)
	if phase != phaseRunning {
		p.cancelRun(iggyerr.ErrClosed)
		return p.metrics.close()
	}
	before := p.lost()
	flushErr := p.drain(ctx)
	p.cancelRun(iggyerr.ErrClosed)
	err := p.end(ctx)

	left := &StopError{Err: flushErr}
	for _, t := range p.topicList() {
		now, was := t.lost(), before[t]
		if r := (Remainder{Stream: t.stream, Topic: t.name, Failed: now.failed - was.failed, Unknown: now.unknown - was.unknown}); r.Failed+r.Unknown > 0 {
			left.Remainders = append(left.Remainders, r)
			p.log.Error("messages left at stop", zap.String("stream", r.Stream), zap.String("topic", r.Topic),
				zap.Uint64("failed", r.Failed), zap.Uint64("unknown", r.Unknown))
		}
	}
	if len(left.Remainders) > 0 {
		err = errors.Join(left, err)
	}
	return errors.Join(err, p.metrics.close())
}

// drain flushes within ctx and the drain timeout.
func (p *Producer) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.DrainTimeout, fmt.Errorf("not flushed within the drain timeout of %s", p.cfg.DrainTimeout))
	defer cancel()
	for {
		if err := p.Flush(ctx); err != nil {
			return err
		}
		// A send that was under way when Stop began may have been accepted after the flush began.
		if p.ceiling.messages.Load() == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// end waits for the senders to give what is left its outcome, and closes the connections.
func (p *Producer) end(ctx context.Context) error {
	p.sendersMu.Lock()
	p.noSenders = true
	p.sendersMu.Unlock()
	// The end of the connections frees the callers who send themselves. Neither this nor the
	// senders take longer than their callbacks do: they get that much even when ctx
	// is over, but not for ever.
	wait, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), p.cfg.DrainTimeout, errors.New("callbacks have not returned"))
	defer cancel()
	var errs []error
	for _, l := range p.links {
		errs = append(errs, l.Stop(wait))
	}
	ended := make(chan struct{})
	go func() {
		p.senders.Wait()
		p.background.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-wait.Done():
		errs = append(errs, fmt.Errorf("iggy: stop producer: %w", context.Cause(wait)))
		p.abandon()
	}
	return errors.Join(errs...)
}

// abandonTime is how long callbacks may take for what is abandoned.
const abandonTime = time.Second

// abandon gives what waits behind callbacks that don't return its outcome. A
// callback may be waiting for just that. Its own callbacks may block as well, so they are not
// waited for, beyond a moment.
func (p *Producer) abandon() {
	var settling sync.WaitGroup
	for _, t := range p.topicList() {
		for _, part := range t.all() {
			left := part.shut()
			if len(left) == 0 {
				continue
			}
			settling.Go(func() {
				for _, b := range left {
					part.mu.Lock()
					part.closeWithdrawals(b)
					part.mu.Unlock()
					part.giveUp(b, stopped(b.lastErr))
					part.release(b)
				}
			})
		}
	}
	settled := make(chan struct{})
	go func() {
		settling.Wait()
		close(settled)
	}()
	select {
	case <-settled:
	case <-time.After(abandonTime):
	}
}

// addSender counts one more sender, unless they are being waited for already.
func (p *Producer) addSender() bool {
	p.sendersMu.Lock()
	defer p.sendersMu.Unlock()
	if p.noSenders {
		return false
	}
	p.senders.Add(1)
	return true
}

func (p *Producer) lost() map[*topicState]counts {
	lost := map[*topicState]counts{}
	for _, t := range p.topicList() {
		lost[t] = t.lost()
	}
	return lost
}
