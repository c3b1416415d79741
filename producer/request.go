package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// sendWithRetries makes attempts until one succeeds, the retries are used up, or the time of the
// oldest message is over. expired tells the last case.
func (p *partition) sendWithRetries(run context.Context, b *batch) (expired bool, err error) {
	producer := p.topic.producer
	left := func() time.Duration {
		return time.Duration(b.deadline(producer.cfg.DeliveryTimeout) - producer.clock.now())
	}
	// The first attempt does without the retry policy and, unless a request can exceed the delivery
	// timeout, without a context of its own: the usual case must not pay for them.
	err, b.directErr = b.directErr, nil
	if session := p.link.Live(); err == nil && session != nil && left() > producer.requestTimeout {
		if err = p.request(run, session, b); err == nil {
			p.queue.permit.release() // before callbacks
			return false, nil
		}
	}
	p.queue.permit.release() // before a pause
	ctx, cancel := context.WithTimeoutCause(run, left(), iggyerr.ErrDeliveryTimeout)
	defer cancel()
	if err != nil {
		err = p.classifyFailure(ctx, b, err)
	} else if err = p.attempt(ctx, b); err == nil {
		return false, nil
	}
	confirmed := false
	err = producer.retry.Do(ctx, func(ctx context.Context, attempt int) error {
		if attempt == 1 {
			return err
		}
		producer.stats.countRetry(p.topic)
		// The policy hides a result that comes while the context ends.
		err := p.attempt(ctx, b)
		confirmed = err == nil
		return err
	})
	if confirmed {
		return false, nil
	}
	return ctx.Err() != nil, err
}

// attempt waits for a connection and makes one request.
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
		return p.classifyFailure(ctx, b, err)
	}
	return nil
}

// request makes one request with the batch and notes the result.
func (p *partition) request(ctx context.Context, session *link.Session, b *batch) error {
	t := p.topic
	b.attempts++
	started := t.producer.clock.now()
	err := session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.Send(ctx, t.stream, t.name, p.id, &b.wire)
	})
	took := time.Duration(t.producer.clock.now() - started)
	t.producer.stats.observeRequest(t, p.id, b, took, err)
	slow := took > min(slowRequest, t.producer.requestTimeout/2)
	if err == nil || slow {
		p.link.requests.observe(took, slow, time.Now())
	}
	if err != nil {
		b.lastErr = err
		b.maybeStored = b.maybeStored || iggyerr.MayHaveEffect(err)
	}
	return err
}

// classifyFailure returns the error of a failed request in the form that tells whether it is worth
// a retry; see shouldRetry.
func (p *partition) classifyFailure(ctx context.Context, b *batch, err error) error {
	if errors.Is(err, iggyerr.ErrNotFound) {
		if err = p.recheckMetadata(ctx, err); !isRetryError(err) {
			return err
		}
	}
	if most := p.topic.producer.cfg.Retry.MaxRetries; most >= 0 && b.attempts > most {
		return &finalError{err}
	}
	return err
}

// recheckMetadata reads the metadata after the server said that the stream, the topic or the
// partition does not exist. When it does exist, the metadata is about to change and the request is
// worth a retry.
func (p *partition) recheckMetadata(ctx context.Context, cause error) error {
	_, err := p.topic.refresh(ctx, p.topic.producer.clock.now())
	switch {
	case errors.Is(err, iggyerr.ErrNotFound):
		return err
	case err != nil:
		return errors.Join(cause, err)
	case p.deleted.Load():
		return fmt.Errorf("partition %s: %w", p.topic.objectName(int64(p.id)), iggyerr.ErrNotFound)
	default:
		return &retryError{cause}
	}
}
