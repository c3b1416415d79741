package consumer

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// fetchers is how many polls may be under way at once on a session: while one
// answer is taken over, the next is on its way. Each is for another partition.
const pollersPerSession = 2

// fetcher reads the owned partitions of one session ahead of the handlers,
// each in turn. It is where the log's answers enter: jumps, ends and answers that do
// not fit are noticed here.
type fetcher struct {
	e        *engine
	session  *link.Session
	wake     chan struct{} // holds a token for each poller
	arrivals chan struct{} // holds a token when something came
}

func newFetcher(e *engine, s *link.Session) *fetcher {
	return &fetcher{e: e, session: s, wake: make(chan struct{}, pollersPerSession), arrivals: make(chan struct{}, 1)}
}

// more wakes the pollers: a partition may have become ready to be polled.
func (f *fetcher) wakePollers() {
	for range pollersPerSession {
		select {
		case f.wake <- struct{}{}:
		default:
			return
		}
	}
}

// poll runs one poller until ctx ends.
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

// rest waits until there is more, or until a refused partition may be tried again.
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

// job is a poll to be made.
type pollRequest struct {
	p        *partition
	strategy transport.Strategy
	count    int
	maxBytes int // 0: no bound
	reserved amount
}

// choose picks the next partition that has messages to fetch and room for
// them, and marks it as being polled. Without one it tells how long a refused
// one has to wait still; 0: none has.
func (f *fetcher) nextPoll() (pollRequest, time.Duration) {
	var wait time.Duration
	now := time.Now()
	owned, start := f.e.roundRobin()
	for i := range owned {
		p := owned[(start+i)%len(owned)]
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

// wantsPoll tells whether there may be something to fetch, room aside. p.mu is held.
func (p *partition) canPoll() bool {
	return p.phase == phaseActive && p.mayHaveMore && !p.polling && !p.paused && !p.needsVerify && p.stopErr == nil
}

// wantsMore tells whether the read messages have become so few that the next
// poll is due. p.mu is held.
func (p *partition) isPollDue() bool {
	return p.canPoll() && 2*p.buffered <= p.e.prefetch.messages.equalShare()
}

// plan prepares a poll of p, if it is due. p.mu is held.
func (f *fetcher) planPoll(p *partition, now time.Time) (pollRequest, bool) {
	if !p.isPollDue() || p.nextPollAt.After(now) {
		return pollRequest{}, false
	}
	count := min(f.e.cfg.BatchSize, p.history.maxCount)
	// What is asked for should not be cut off because some messages are a little larger.
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
		// Without a bound in bytes, or of what transport.Supersede is about only the
		// remains might be left; so for one message only.
		count, maxBytes = 1, 0
	}
	p.polling = true
	return pollRequest{p: p, strategy: strategy, count: count, maxBytes: maxBytes, reserved: reserved}, true
}

// fetch makes one poll and takes the answer in.
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
			result.retainPayloads() // settled before anybody has seen it
		}
	}
	if err == nil && f.e.ackOnPoll && len(polled.Messages) > 0 && polled.Partition == p.id {
		// At most once: what is handed out must be passed first.
		err = f.e.storeOffset(ctx, p, polled.Messages[len(polled.Messages)-1].Offset)
	}

	p.mu.Lock()
	p.polling = false
	if err != nil {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
		f.handleRefusal(p, req, err)
	} else {
		if f.e.ackOnPoll && len(polled.Messages) > 0 && polled.Partition == p.id && p.phase != phaseLost {
			p.history.logTruncated = false // something is stored anew
		}
		if byTimestamp {
			p.deferLog(func() {
				p.log.Warn("the server refuses a message by its offset and gave it by its time", zap.Uint64("offset", req.strategy.Value))
			})
		}
		f.handleResult(p, req, polled, result)
	}
	p.checkDrained()
	p.scheduleIfReady()
	unsaid := len(p.pendingLogs) > 0
	p.mu.Unlock()
	if unsaid {
		p.flushLogs()
	}
	if err != nil {
		f.e.pollFailed(p, err)
	}
}

// arrived takes an answer in. p.mu is held.
func (f *fetcher) handleResult(p *partition, req pollRequest, polled *transport.Polled, r *pollResult) {
	p.nextPollAt, p.refusalLogged = time.Time{}, false
	if p.phase != phaseActive && (p.phase != phaseDraining || !f.e.ackOnPoll) || p.positionChanged(req) {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
		if len(polled.Messages) > 0 && p.phase != phaseLost {
			p.polledEnd = polled.Messages[len(polled.Messages)-1].Offset + 1
		}
		return
	}
	p.history.maxCount = min(2*p.history.maxCount, f.e.cfg.BatchSize)
	if len(polled.Messages) == 0 {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
		f.handleEmpty(p, polled)
		return
	}
	raw := polled.Messages
	last := raw[len(raw)-1].Offset
	p.polledEnd = last + 1
	if first := raw[0].Offset; p.firstPoll == nil && !p.anyFirstOffset && first != p.position {
		if !p.handleGap(first) {
			f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
			return
		}
	}
	p.firstPoll, p.anyFirstOffset = nil, false
	p.history.averageSize = max(wire.MessageHeaderSize, (p.history.averageSize+3*r.neededBytes/len(raw))/4)
	p.counters.polls++
	p.counters.fetched += int64(len(raw))
	p.counters.bytes += int64(r.encodedBytes)
	p.skipHandled(r)
	if r.unsettled > 0 {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{messages: r.unsettled, bytes: r.heldBytes})
		p.buffer = append(p.buffer, r)
		p.buffered += r.unsettled
	} else {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
	}
	p.position = last + 1
	p.logEnd = max(polled.CurrentOffset+1, p.position)
	p.mayHaveMore = p.position < p.logEnd
	select {
	case f.arrivals <- struct{}{}:
	default:
	}
}

// pass takes off a's head what was handled before. p.mu is held.
func (p *partition) skipHandled(r *pollResult) {
	n := 0
	for n < len(r.remaining) && p.skip.covers(&r.remaining[n]) {
		n++
	}
	r.remaining = r.remaining[n:]
	if r.unsettled -= n; r.unsettled > 0 {
		p.skip = skipRange{} // the others are behind
	}
}

// moved tells whether the position changed while the poll was under way. p.mu is held.
func (p *partition) positionChanged(req pollRequest) bool {
	return p.firstPoll == nil && req.strategy.Kind == transport.FromOffset && req.strategy.Value != p.position
}

// nothing looks after an empty answer: the end of the log, or a partition that
// is not what it was. p.mu is held.
func (f *fetcher) handleEmpty(p *partition, polled *transport.Polled) {
	p.mayHaveMore = false
	if p.firstPoll != nil {
		return // a time or a place that has no message yet
	}
	switch {
	case f.e.grouped && polled.Partition != p.id:
		// The server's silent way to say that it is not ours.
		p.needsVerify = true
	case polled.CurrentOffset+1 < p.position, polled.CurrentOffset+1 < p.logEnd:
		// Partition 0 of an owner of nothing, or a log that lost its end.
		p.needsVerify = p.position > 0 || p.logEnd > 1
	case polled.CurrentOffset >= p.position && polled.CurrentOffset > 0:
		// Announced but not readable yet.
		p.mayHaveMore = true
		p.nextPollAt = time.Now().Add(f.e.cfg.PollIntervalMin)
	default:
		p.logEnd = max(p.logEnd, p.position)
	}
	if p.needsVerify {
		f.e.wakeMembership()
	}
}

// looksPerPause is how often the watch looks in vain before its pause is
// doubled: what comes every few milliseconds is to be noticed at once.
const checksPerInterval = 4

// watch asks for the ends of the logs while partitions have been read to
// theirs, in one request for all of them: there is no long polling. It asks soon after
// something came, and less and less often while nothing does.
func (f *fetcher) watchLogEnds(ctx context.Context) {
	least := f.e.cfg.PollIntervalMin
	pause, emptyChecks := least, 0
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.arrivals:
			emptyChecks = 0
			if pause > least {
				pause = least
				timer.Reset(pause)
			}
			continue
		case <-timer.C:
		}
		if emptyChecks++; f.checkLogEnds(ctx) {
			pause, emptyChecks = least, 0
		} else if emptyChecks%checksPerInterval == 0 {
			pause = min(2*pause, f.e.cfg.PollIntervalMax)
		}
		timer.Reset(coalesce(pause))
	}
}

// look compares the positions of the partitions that were read to their ends with the
// ends as they are now, and tells whether there is something to fetch.
func (f *fetcher) checkLogEnds(ctx context.Context) bool {
	type place struct {
		p        *partition
		position uint64
	}
	var idle []place
	owned, _ := f.e.roundRobin()
	for _, p := range owned {
		p.mu.Lock()
		if p.phase == phaseActive && !p.mayHaveMore && !p.polling && !p.needsVerify && p.stopErr == nil {
			idle = append(idle, place{p, p.position})
		}
		p.mu.Unlock()
	}
	if len(idle) == 0 {
		return false
	}
	var meta transport.Topic
	err := f.session.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		meta, err = c.Topic(ctx, f.e.identity.Stream, f.e.identity.Topic)
		return err
	})
	var status *iggyerr.StatusError
	if err != nil && !errors.As(err, &status) {
		return false // the session's end is noticed elsewhere
	}
	found := false
	for _, at := range idle {
		at.p.mu.Lock()
		switch {
		case at.p.phase != phaseActive || at.p.mayHaveMore || at.p.polling || at.p.position != at.position:
		case err != nil:
			// Not permitted, or the topic is gone: polls will tell.
			at.p.mayHaveMore, found = true, true
		default:
			found = f.compareLogEnd(at.p, meta) || found
		}
		at.p.mu.Unlock()
	}
	if err != nil {
		f.e.log.Debug("topic cannot be read, polling each partition instead", zap.Error(err))
	}
	if found {
		f.wakePollers()
	}
	return found && err == nil
}

// compare looks at one partition's end. p.mu is held.
func (f *fetcher) compareLogEnd(p *partition, meta transport.Topic) bool {
	end, ok := partitionEnd(meta, p.id)
	switch {
	case !ok:
		return false
	case end < p.position && p.firstPoll == nil, end < p.logEnd:
		p.needsVerify = true
		f.e.wakeMembership()
		return false
	case p.firstPoll == nil && end > p.position || end > p.logEnd:
		p.logEnd, p.mayHaveMore = end, true
		return true
	}
	return false
}

// logEnd is the offset after the last message of a partition.
func partitionEnd(meta transport.Topic, id uint32) (end uint64, ok bool) {
	for _, q := range meta.Partitions {
		if q.ID != id {
			continue
		}
		if q.Messages == 0 && q.CurrentOffset == 0 {
			return 0, true
		}
		return q.CurrentOffset + 1, true
	}
	return 0, false
}
