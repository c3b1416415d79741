package consumer

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// pollersPerSession is how many polls may be under way at once on a session: while one answer is
// processed, the next one is on its way. Each poll is of another partition.
const pollersPerSession = 2

// fetcher prefetches the assigned partitions of one session, one after another. It detects gaps,
// truncated logs and answers that do not fit.
type fetcher struct {
	e        *engine
	session  *link.Session
	wake     chan struct{} // holds a token for each poller
	arrivals chan struct{} // holds a token when messages arrived
}

func newFetcher(e *engine, s *link.Session) *fetcher {
	return &fetcher{e: e, session: s, wake: make(chan struct{}, pollersPerSession), arrivals: make(chan struct{}, 1)}
}

// wakePollers wakes the pollers: a partition may have become ready to be polled.
func (f *fetcher) wakePollers() {
	for range pollersPerSession {
		select {
		case f.wake <- struct{}{}:
		default:
			return
		}
	}
}

// runPoller runs one poller until ctx ends.
func (f *fetcher) runPoller(ctx context.Context) {
	for ctx.Err() == nil {
		req, wait := f.nextPoll()
		if req.p == nil {
			f.waitForWork(ctx, wait)
			continue
		}
		f.poll(ctx, req)
	}
}

// waitForWork waits until the pollers are woken, or until a refused partition may be polled again.
func (f *fetcher) waitForWork(ctx context.Context, wait time.Duration) {
	var again <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-f.wake:
	case <-again:
	case <-ctx.Done():
	}
}

// pollRequest is a poll to be made.
type pollRequest struct {
	p        *partition
	strategy transport.Strategy
	count    int
	maxBytes int // 0: no limit
	reserved amount
}

// nextPoll picks the next partition that has messages to fetch and room for them, and marks it as
// being polled. When there is none, it returns how long to wait for a partition whose poll was
// refused; 0: there is none.
func (f *fetcher) nextPoll() (pollRequest, time.Duration) {
	var wait time.Duration
	now := time.Now()
	assigned, start := f.e.roundRobin()
	for i := range assigned {
		p := assigned[(start+i)%len(assigned)]
		p.mu.Lock()
		req, ok := f.planPoll(p, now)
		if !p.nextPollAt.IsZero() && p.nextPollAt.After(now) && p.canPoll() {
			if left := p.nextPollAt.Sub(now); wait == 0 || left < wait {
				wait = left
			}
		}
		p.mu.Unlock()
		if ok {
			return req, 0
		}
	}
	return pollRequest{}, wait
}

// canPoll reports whether there may be messages to fetch, without regard to room. p.mu is held.
func (p *partition) canPoll() bool {
	return p.phase == phaseActive && p.mayHaveMore && !p.polling && !p.paused && !p.needsVerify && p.stopErr == nil
}

// isPollDue reports whether the prefetched messages have become so few that the next poll is due.
// p.mu is held.
func (p *partition) isPollDue() bool {
	return p.canPoll() && 2*p.buffered <= p.e.prefetch.messages.equalShare()
}

// planPoll prepares a poll of p, if it is due. p.mu is held.
func (f *fetcher) planPoll(p *partition, now time.Time) (pollRequest, bool) {
	if !p.isPollDue() || p.nextPollAt.After(now) {
		return pollRequest{}, false
	}
	count := min(f.e.cfg.BatchSize, p.history.maxCount)
	// A margin, so that the answer is not cut off because some messages are a little larger.
	each := p.history.averageSize + p.history.averageSize/16
	reserved := f.e.prefetch.reserve(&p.prefetchShare, amount{messages: count, bytes: count * each}, each)
	if reserved.messages == 0 {
		return pollRequest{}, false
	}
	count = max(1, min(reserved.messages, reserved.bytes/each))
	strategy := transport.Strategy{Kind: transport.FromOffset, Value: p.position}
	if p.firstPoll != nil {
		strategy = *p.firstPoll
	}
	maxBytes := reserved.bytes
	if strategy.Kind == transport.FromTimestamp {
		// Without a limit of bytes, which might leave only the remains that transport.Supersede
		// describes; so for one message only.
		count, maxBytes = 1, 0
	}
	p.polling = true
	return pollRequest{p: p, strategy: strategy, count: count, maxBytes: maxBytes, reserved: reserved}, true
}

// poll makes one poll and processes the answer.
func (f *fetcher) poll(ctx context.Context, req pollRequest) {
	p := req.p
	started := time.Now()
	var polled *transport.Polled
	byTimestamp := false
	err := f.session.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		polled, err = c.Poll(ctx, transport.Poll{
			Consumer:  f.e.identity,
			Partition: int64(p.id),
			Strategy:  req.strategy,
			Count:     uint32(req.count),
			MaxBytes:  req.maxBytes,
		})
		if isUnreadable(err) && req.count == 1 && req.strategy.Kind == transport.FromOffset {
			polled, err = f.e.readByTimestamp(ctx, c, p.id, p.history, req.strategy.Value)
			byTimestamp = err == nil
		}
		return err
	})
	f.e.meter.recordPoll(time.Since(started))
	var result *pollResult
	if err == nil {
		result = newPollResult(polled, req.reserved.bytes)
		if f.e.ackOnPoll {
			result.retainPayloads() // settled before it is delivered
		}
	}
	if err == nil && f.e.ackOnPoll && len(polled.Messages) > 0 && polled.Partition == p.id {
		// At most once: the offset is stored before the delivery.
		err = f.e.storeOffset(ctx, p, polled.Messages[len(polled.Messages)-1].Offset)
	}

	p.mu.Lock()
	p.polling = false
	if err != nil {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
		f.handleRefusal(p, req, err)
	} else {
		if f.e.ackOnPoll && len(polled.Messages) > 0 && polled.Partition == p.id && p.phase != phaseLost {
			p.history.logTruncated = false // another offset is stored
		}
		if byTimestamp {
			p.deferLog(func() {
				p.log.Warn("message refused by offset, read by timestamp", zap.Uint64("offset", req.strategy.Value))
			})
		}
		f.handleResult(p, req, polled, result)
	}
	p.checkDrained()
	p.scheduleIfReady()
	hasLogs := len(p.pendingLogs) > 0
	p.mu.Unlock()
	if hasLogs {
		p.flushLogs()
	}
	if err != nil {
		f.e.pollFailed(p, err)
	}
}
