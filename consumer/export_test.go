package consumer

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// WithDialer replaces the transport that the configuration names.
func WithDialer(d transport.Dialer) Option { return func(o *options) { o.dialer = d } }

// Used is what is taken of the limits of a consumer.
func Used[T any](c *Consumer[T]) (delivered deliver.Usage, prefetched int) {
	return c.e.pool.Usage(), c.e.prefetched.Used()
}

// Assignments are the partitions of a consumer that is not started. The test stands in for the
// group.
type Assignments struct {
	group.Partitions
	group.Observer
	e *engine
}

// NewAssignments has messages of a consumer handled by its handler, of whatever is assigned.
func NewAssignments[T any](c *Consumer[T]) *Assignments {
	c.e.pool.Handle(c.app.callHandler)
	return &Assignments{Partitions: c.e.assignments, Observer: c.e, e: c.e}
}

// Seek moves a partition.
func (a *Assignments) Seek(ctx context.Context, s group.Session, c group.Claim, to Position) error {
	return a.e.assignments.seek(ctx, s, c, to)
}

// Stop waits for everything that is under way.
func (a *Assignments) Stop(ctx context.Context) error {
	a.e.close()
	a.e.fetchers.wait()
	return errors.Join(a.e.pool.Wait(ctx), context.Cause(ctx))
}

// RunCommits commits as a started consumer does, until stop is called.
func (a *Assignments) RunCommits() (stop func()) {
	ctx, cancel := context.WithCancelCause(a.e.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.e.committer.Run(ctx, a.e.assignments.commits)
	}()
	return func() {
		cancel(iggyerr.ErrClosed)
		<-done
	}
}

// KeyLimiters are the limiters of RateLimitByKey.
type KeyLimiters = keyLimiters

// NewKeyLimiters makes the limiters of RateLimitByKey.
func NewKeyLimiters(limit rate.Limit, burst int) *KeyLimiters { return newKeyLimiters(limit, burst) }

// Delay reserves a time for a message of a key and returns when that is.
func (l *KeyLimiters) Delay(key string, now time.Time) time.Duration {
	limiter := l.acquire(key, now)
	defer l.release(limiter)
	return limiter.limiter.ReserveN(now, 1).DelayFrom(now)
}

// Len returns how many keys have a limiter.
func (l *KeyLimiters) Len() int { return len(l.byKey) }

// Decoder returns the function that decodes the messages of a partition.
func Decoder[T any](c *Consumer[T]) func(raw []wire.Message, dst []*deliver.Message) []*deliver.Message {
	q := c.e.pool.NewPartition(c.e.identity.Topic, 0).NewQueue(c.e.ctx, deliver.QueueOptions{Owner: &partition{e: c.e}})
	return func(raw []wire.Message, dst []*deliver.Message) []*deliver.Message { return c.app.Decode(q, raw, dst) }
}
