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
const fetchers = 2

// fetcher reads the owned partitions of one session ahead of the handlers,
// each in turn. It is where the log's answers enter: jumps, ends and answers that do
// not fit are noticed here.
type fetcher struct {
	e       *engine
	session *link.Session
	wake    chan struct{} // holds a token for each poller
	stirred chan struct{} // holds a token when something came
}

func newFetcher(e *engine, s *link.Session) *fetcher {
	return &fetcher{e: e, session: s, wake: make(chan struct{}, fetchers), stirred: make(chan struct{}, 1)}
}

// more wakes the pollers: a partition may have become ready to be polled.
func (f *fetcher) more() {
	for range fetchers {
		select {
		case f.wake <- struct{}{}:
		default:
			return
		}
	}
}

// poll runs one poller until ctx ends.
func (f *fetcher) poll(ctx context.Context) {
	for ctx.Err() == nil {
		job, wait := f.choose()
		if job.p == nil {
			f.rest(ctx, wait)
			continue
		}
		f.fetch(ctx, job)
	}
}

// rest waits until there is more, or until a refused partition may be tried again.
func (f *fetcher) rest(ctx context.Context, wait time.Duration) {
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
type job struct {
	p        *partition
	strategy transport.Strategy
	count    int
	maxBytes int // 0: no bound
	reserved hold
}

// choose picks the next partition that has messages to fetch and room for
// them, and marks it as being polled. Without one it tells how long a refused
// one has to wait still; 0: none has.
func (f *fetcher) choose() (job, time.Duration) {
	var wait time.Duration
	now := time.Now()
	owned, start := f.e.turn()
	for i := range owned {
		p := owned[(start+i)%len(owned)]
		p.mu.Lock()
		j, ok := f.plan(p, now)
		if !p.resumeAt.IsZero() && p.resumeAt.After(now) && p.wantsPoll() {
			if left := p.resumeAt.Sub(now); wait == 0 || left < wait {
				wait = left
			}
		}
		p.mu.Unlock()
		if ok {
			return j, 0
		}
	}
	return job{}, wait
}

// wantsPoll tells whether there may be something to fetch, room aside. p.mu is held.
func (p *partition) wantsPoll() bool {
	return p.phase == phaseActive && p.hot && !p.polling && !p.paused && !p.suspect && p.stopped == nil
}

// wantsMore tells whether the read messages have become so few that the next
// poll is due. p.mu is held.
func (p *partition) wantsMore() bool {
	return p.wantsPoll() && 2*p.buffered <= p.e.ahead.share()
}

// plan prepares a poll of p, if it is due. p.mu is held.
func (f *fetcher) plan(p *partition, now time.Time) (job, bool) {
	if !p.wantsMore() || p.resumeAt.After(now) {
		return job{}, false
	}
	count := min(f.e.cfg.BatchSize, p.memory.ceiling)
	// What is asked for should not be cut off because some messages are a little larger.
	each := p.memory.averageSize + p.memory.averageSize/16
	reserved := f.e.ahead.take(p, hold{messages: count, bytes: count * each}, each)
	if reserved.messages == 0 {
		return job{}, false
	}
	count = max(1, min(reserved.messages, reserved.bytes/each))
	strategy := transport.Strategy{Kind: transport.FromOffset, Value: p.position}
	if p.from != nil {
		strategy = *p.from
	}
	maxBytes := reserved.bytes
	if strategy.Kind == transport.FromTimestamp {
		// Without a bound in bytes, or of what transport.Supersede is about only the
		// remains might be left; so for one message only.
		count, maxBytes = 1, 0
	}
	p.polling = true
	return job{p: p, strategy: strategy, count: count, maxBytes: maxBytes, reserved: reserved}, true
}

// fetch makes one poll and takes the answer in.
func (f *fetcher) fetch(ctx context.Context, j job) {
	p := j.p
	started := time.Now()
	var polled *transport.Polled
	salvaged := false
	err := f.session.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		polled, err = c.Poll(ctx, transport.Poll{
			Consumer:  f.e.who,
			Partition: int64(p.id),
			Strategy:  j.strategy,
			Count:     uint32(j.count),
			MaxBytes:  j.maxBytes,
		})
		if unreadable(err) && j.count == 1 && j.strategy.Kind == transport.FromOffset {
			polled, err = f.e.salvage(ctx, c, p.id, p.memory, j.strategy.Value)
			salvaged = err == nil
		}
		return err
	})
	f.e.meter.polled(time.Since(started))
	var came *answer
	if err == nil {
		came = newAnswer(polled, j.reserved.bytes)
		if f.e.onPoll {
			came.keep() // settled before anybody has seen it
		}
	}
	if err == nil && f.e.onPoll && len(polled.Messages) > 0 && polled.Partition == p.id {
		// At most once: what is handed out must be passed first.
		err = f.e.store(ctx, p, polled.Messages[len(polled.Messages)-1].Offset)
	}

	p.mu.Lock()
	p.polling = false
	if err != nil {
		f.e.ahead.settle(p, j.reserved, hold{})
		f.refused(p, j, err)
	} else {
		if f.e.onPoll && len(polled.Messages) > 0 && polled.Partition == p.id && p.phase != phaseLost {
			p.memory.stray = false // something is stored anew
		}
		if salvaged {
			p.say(func() {
				p.log.Warn("the server refuses a message by its offset and gave it by its time", zap.Uint64("offset", j.strategy.Value))
			})
		}
		f.arrived(p, j, polled, came)
	}
	p.drained()
	p.announce()
	unsaid := len(p.unsaid) > 0
	p.mu.Unlock()
	if unsaid {
		p.speak()
	}
	if err != nil {
		f.e.pollFailed(p, err)
	}
}

// arrived takes an answer in. p.mu is held.
func (f *fetcher) arrived(p *partition, j job, polled *transport.Polled, a *answer) {
	p.resumeAt, p.refused = time.Time{}, false
	if p.phase != phaseActive && (p.phase != phaseDraining || !f.e.onPoll) || p.moved(j) {
		f.e.ahead.settle(p, j.reserved, hold{})
		if len(polled.Messages) > 0 && p.phase != phaseLost {
			p.polled = polled.Messages[len(polled.Messages)-1].Offset + 1
		}
		return
	}
	p.memory.ceiling = min(2*p.memory.ceiling, f.e.cfg.BatchSize)
	if len(polled.Messages) == 0 {
		f.e.ahead.settle(p, j.reserved, hold{})
		f.nothing(p, polled)
		return
	}
	raw := polled.Messages
	last := raw[len(raw)-1].Offset
	p.polled = last + 1
	if first := raw[0].Offset; p.from == nil && !p.jumpOK && first != p.position {
		if !p.gap(first) {
			f.e.ahead.settle(p, j.reserved, hold{})
			return
		}
	}
	p.from, p.jumpOK = nil, false
	p.memory.averageSize = max(wire.MessageHeaderSize, (p.memory.averageSize+3*a.wanted/len(raw))/4)
	p.tally.polls++
	p.tally.fetched += int64(len(raw))
	p.tally.bytes += int64(a.encoded)
	p.pass(a)
	if a.open > 0 {
		f.e.ahead.settle(p, j.reserved, hold{messages: a.open, bytes: a.bytes})
		p.buffer = append(p.buffer, a)
		p.buffered += a.open
	} else {
		f.e.ahead.settle(p, j.reserved, hold{})
	}
	p.position = last + 1
	p.end = max(polled.CurrentOffset+1, p.position)
	p.hot = p.position < p.end
	select {
	case f.stirred <- struct{}{}:
	default:
	}
}

// pass takes off a's head what was handled before. p.mu is held.
func (p *partition) pass(a *answer) {
	n := 0
	for n < len(a.rest) && p.handled.covers(&a.rest[n]) {
		n++
	}
	a.rest = a.rest[n:]
	if a.open -= n; a.open > 0 {
		p.handled = handled{} // the others are behind
	}
}

// moved tells whether the position changed while the poll was under way. p.mu is held.
func (p *partition) moved(j job) bool {
	return p.from == nil && j.strategy.Kind == transport.FromOffset && j.strategy.Value != p.position
}

// nothing looks after an empty answer: the end of the log, or a partition that
// is not what it was. p.mu is held.
func (f *fetcher) nothing(p *partition, polled *transport.Polled) {
	p.hot = false
	if p.from != nil {
		return // a time or a place that has no message yet
	}
	switch {
	case f.e.grouped && polled.Partition != p.id:
		// The server's silent way to say that it is not ours.
		p.suspect = true
	case polled.CurrentOffset+1 < p.position, polled.CurrentOffset+1 < p.end:
		// Partition 0 of an owner of nothing, or a log that lost its end.
		p.suspect = p.position > 0 || p.end > 1
	case polled.CurrentOffset >= p.position && polled.CurrentOffset > 0:
		// Announced but not readable yet.
		p.hot = true
		p.resumeAt = time.Now().Add(f.e.cfg.PollIntervalMin)
	default:
		p.end = max(p.end, p.position)
	}
	if p.suspect {
		f.e.kick()
	}
}

// looksPerPause is how often the watch looks in vain before its pause is
// doubled: what comes every few milliseconds is to be noticed at once.
const looksPerPause = 4

// watch asks for the ends of the logs while partitions have been read to
// theirs, in one request for all of them: there is no long polling. It asks soon after
// something came, and less and less often while nothing does.
func (f *fetcher) watch(ctx context.Context) {
	least := f.e.cfg.PollIntervalMin
	pause, vain := least, 0
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.stirred:
			vain = 0
			if pause > least {
				pause = least
				timer.Reset(pause)
			}
			continue
		case <-timer.C:
		}
		if vain++; f.look(ctx) {
			pause, vain = least, 0
		} else if vain%looksPerPause == 0 {
			pause = min(2*pause, f.e.cfg.PollIntervalMax)
		}
		timer.Reset(onBeat(pause))
	}
}

// look compares the positions of the partitions that were read to their ends with the
// ends as they are now, and tells whether there is something to fetch.
func (f *fetcher) look(ctx context.Context) bool {
	type place struct {
		p        *partition
		position uint64
	}
	var idle []place
	owned, _ := f.e.turn()
	for _, p := range owned {
		p.mu.Lock()
		if p.phase == phaseActive && !p.hot && !p.polling && !p.suspect && p.stopped == nil {
			idle = append(idle, place{p, p.position})
		}
		p.mu.Unlock()
	}
	if len(idle) == 0 {
		return false
	}
	var meta transport.Topic
	err := f.session.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		meta, err = c.Topic(ctx, f.e.who.Stream, f.e.who.Topic)
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
		case at.p.phase != phaseActive || at.p.hot || at.p.polling || at.p.position != at.position:
		case err != nil:
			// Not permitted, or the topic is gone: polls will tell.
			at.p.hot, found = true, true
		default:
			found = f.compare(at.p, meta) || found
		}
		at.p.mu.Unlock()
	}
	if err != nil {
		f.e.log.Debug("topic cannot be read, polling each partition instead", zap.Error(err))
	}
	if found {
		f.more()
	}
	return found && err == nil
}

// compare looks at one partition's end. p.mu is held.
func (f *fetcher) compare(p *partition, meta transport.Topic) bool {
	end, ok := logEnd(meta, p.id)
	switch {
	case !ok:
		return false
	case end < p.position && p.from == nil, end < p.end:
		p.suspect = true
		f.e.kick()
		return false
	case p.from == nil && end > p.position || end > p.end:
		p.end, p.hot = end, true
		return true
	}
	return false
}

// logEnd is the offset after the last message of a partition.
func logEnd(meta transport.Topic, id uint32) (end uint64, ok bool) {
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
