package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// RateLimit returns middleware that passes messages to the handler as limiter allows. The limit is
// one of the limiter: it holds for all consumers, and whatever else, that use it in this process.
//
// A message waits for its time with its handler's place among concurrency, and in flight. Waiting is
// no failure: a message whose partition is lost, or whose consumer stops, is delivered again, and
// that delivery does not count. With ack_mode on_poll, where no message is delivered again, a stop
// waits for those that wait. A handover waits for them as for any handler. handler_timeout does not
// include the wait.
//
// RateLimit panics when limiter is nil.
func RateLimit[T any](limiter *rate.Limiter) Middleware[T] {
	if limiter == nil {
		panic("consumer: RateLimit: no limiter")
	}
	l := newSerialLimiter(limiter)
	return rateLimit(func(ctx context.Context, m *Message[T]) error { return l.wait(ctx, m.delivery().stopping()) })
}

// RateLimitByKey is like RateLimit with a limiter for each key: messages of one key are passed to
// the handler at the given limit, in messages a second, with bursts of at most burst. key is often
// (*Message[T]).Key; messages for which it returns "" are not limited. Keys that were not used for
// burst/limit seconds take no memory.
//
// RateLimitByKey panics when limit or burst is not positive, or key is nil.
func RateLimitByKey[T any](limit rate.Limit, burst int, key func(*Message[T]) string) Middleware[T] {
	if limit <= 0 || burst <= 0 || key == nil {
		panic(fmt.Sprintf("consumer: RateLimitByKey: limit %v and burst %d must be positive, and key be given", limit, burst))
	}
	limiters := newKeyLimiters(limit, burst)
	return rateLimit(func(ctx context.Context, m *Message[T]) error {
		k := key(m)
		if k == "" {
			return nil
		}
		l := limiters.acquire(k, time.Now())
		defer limiters.release(l)
		return l.wait(ctx, m.delivery().stopping())
	})
}

// errRateLimit is why a message that waited for its time was not handled.
var errRateLimit = fmt.Errorf("the consumer stops, and the message waited for the rate limit: %w", iggyerr.ErrClosed)

// errNoBurst is why nothing is handled: a limiter without bursts lets nothing through.
var errNoBurst = errors.New("the burst of the rate limit is 0")

// rateLimit returns middleware that calls wait before the handler.
func rateLimit[T any](wait func(context.Context, *Message[T]) error) Middleware[T] {
	return func(next Handler[T]) Handler[T] {
		return func(ctx context.Context, m *Message[T]) error {
			if err := wait(ctx, m); err != nil {
				return err
			}
			return next(ctx, m)
		}
	}
}

// serialLimiter is a limiter whose users reserve one after another: a rate.Limiter takes a
// reservation back in full only if it is the last one.
type serialLimiter struct {
	limiter   *rate.Limiter
	reserving chan struct{} // holds a token while one waits for its time
	users     int           // guarded by the lock of keyLimiters
}

func newSerialLimiter(limiter *rate.Limiter) *serialLimiter {
	return &serialLimiter{limiter: limiter, reserving: make(chan struct{}, 1)}
}

// wait waits until the limiter allows one message, ctx ends, or the consumer stops.
func (l *serialLimiter) wait(ctx context.Context, stopping <-chan struct{}) error {
	select {
	case l.reserving <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-stopping:
		return errRateLimit
	}
	defer func() { <-l.reserving }()
	return await(ctx, l.limiter.Reserve(), stopping)
}

// await waits until the time of a reservation. When ctx ends or the consumer stops first, it gives
// the reservation back.
func await(ctx context.Context, r *rate.Reservation, stopping <-chan struct{}) error {
	if !r.OK() {
		return Unavailable(errNoBurst, ForAllPartitions())
	}
	delay := r.Delay()
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		r.Cancel()
		return context.Cause(ctx)
	case <-stopping:
		r.Cancel()
		return errRateLimit
	}
}

// keyLimiters are the limiters of keys.
type keyLimiters struct {
	limit rate.Limit
	burst int

	mu    sync.Mutex
	byKey map[string]*serialLimiter
	most  int // limiters before those are dropped that are like new ones
}

// minKeyLimiters is the number of limiters up to which none is dropped.
const minKeyLimiters = 1024

func newKeyLimiters(limit rate.Limit, burst int) *keyLimiters {
	return &keyLimiters{limit: limit, burst: burst, byKey: map[string]*serialLimiter{}, most: minKeyLimiters}
}

// acquire returns the limiter of a key, which is not dropped before release.
func (l *keyLimiters) acquire(key string, now time.Time) *serialLimiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.byKey[key]
	if limiter == nil {
		if len(l.byKey) >= l.most {
			l.drop(now)
		}
		limiter = newSerialLimiter(rate.NewLimiter(l.limit, l.burst))
		l.byKey[key] = limiter
	}
	limiter.users++
	return limiter
}

func (l *keyLimiters) release(limiter *serialLimiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter.users--
}

// drop drops the limiters without users that allow a whole burst, as new ones do. l.mu is held.
func (l *keyLimiters) drop(now time.Time) {
	for key, limiter := range l.byKey {
		if limiter.users == 0 && limiter.limiter.TokensAt(now) >= float64(l.burst) {
			delete(l.byKey, key)
		}
	}
	l.most = max(minKeyLimiters, 2*len(l.byKey))
}
