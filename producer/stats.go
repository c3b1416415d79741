package producer

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// stats counts, measures and logs what happens to the requests and messages of a producer.
type stats struct {
	log     *zap.Logger
	metrics *metrics
	clock   *clock

	retries   atomic.Uint64
	lastError atomic.Pointer[lastFailure]
}

type lastFailure struct {
	err error
	at  time.Time
}

// setLastError keeps err for Status.
func (s *stats) setLastError(err error) { s.lastError.Store(&lastFailure{err: err, at: time.Now()}) }

// countOutcome counts the first n messages of b, of so many bytes, by their outcome.
func (s *stats) countOutcome(t *topicState, b *batch, n int, bytes int64, outcome Outcome) {
	t.counters.count(n, outcome)
	if m := s.metrics; m.meter != nil {
		ctx := context.Background()
		m.messages.Add(ctx, int64(n), t.metrics.outcomes[outcome])
		m.bytes.Add(ctx, bytes, t.metrics.outcomes[outcome])
		m.latency.Record(ctx, time.Duration(s.clock.now()-b.messages[0].accepted).Seconds(), t.metrics.outcomes[outcome])
	}
}

// countRetry counts a retry.
func (s *stats) countRetry(t *topicState) {
	s.retries.Add(1)
	if m := s.metrics; m.meter != nil {
		m.retries.Add(context.Background(), 1, t.metrics.topic)
	}
}

// observeRequest measures and logs a request.
func (s *stats) observeRequest(t *topicState, partition uint32, b *batch, elapsed time.Duration, err error) {
	if m := s.metrics; m.meter != nil {
		ok := 0
		if err == nil {
			ok = 1
		}
		ctx := context.Background()
		m.request.Record(ctx, elapsed.Seconds(), t.metrics.requests[ok])
		m.size.Record(ctx, int64(b.len()), t.metrics.topic)
	}
	if err != nil {
		s.setLastError(err)
		s.log.Warn("request failed", zap.String("stream", t.stream), zap.String("topic", t.name), zap.Uint32("partition", partition),
			zap.Int("attempt", b.attempts), zap.Int("count", b.len()), zap.Duration("elapsed", elapsed), zap.Error(err))
		return
	}
	if entry := s.log.Check(zap.DebugLevel, "batch confirmed"); entry != nil {
		entry.Write(zap.String("stream", t.stream), zap.String("topic", t.name), zap.Uint32("partition", partition),
			zap.Int("attempt", b.attempts), zap.Int("count", b.len()), zap.Int("bytes", b.wire.Size()), zap.Duration("elapsed", elapsed))
	}
}

// logCallbackFailure logs that a callback of SendAsync panicked or ended its goroutine.
func (s *stats) logCallbackFailure(err error) {
	if err == nil {
		return
	}
	s.setLastError(err)
	s.log.Error("send callback failed", zap.Error(err))
}
