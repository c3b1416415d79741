package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// start is where a partition is taken up.
type start struct {
	position uint64
	from     *transport.Strategy // instead of position, for the first poll
	handled  handled             // messages that are passed over then
	jumpOK   bool                // the first message's offset may be any
	prefix   uint64              // the acknowledged prefix that goes before it
	hasPre   bool
	end      uint64
	pin      bool  // store prefix at once, so that another owner begins at the same place
	stopped  error // on_rewind: stop
	replay   bool  // messages come again on purpose: forget the ids that were seen
	rewound  bool
	unpin    bool // delete what is stored, so that another owner begins at the start, too

	stored    uint64 // what is stored now
	hasStored bool
}

// handled are messages that come before those to be read: the ones of a time, by the server's clock
// in microseconds, below an offset.
type handled struct{ stamp, below uint64 }

// covers tells whether m is one of them.
func (h handled) covers(m *wire.Message) bool { return m.Timestamp == h.stamp && m.Offset < h.below }

// place decides where to take up a partition by what is stored, where the
// log ends, and what this consumer remembers. It is the one place that
// notices that a stored offset was moved or a log is not what it was.
//
// trusted tells that the message before the remembered place is still the one
// that was acknowledged. When it is not the log was cut, and what is stored means
// nothing: a killed server brings the tail of a log and the stored
// offset back as they were some time ago, the offset mostly as 0 (measured on
// Iggy 0.8.0), and new messages may stand where acknowledged ones did.
func (e *engine) place(id uint32, m *memory, stored transport.Offset, end uint64, trusted bool) start {
	if m.stray {
		return e.afterTail(m, end)
	}
	if !stored.Stored {
		return e.unstored(id, m, end, trusted)
	}
	next := stored.Offset + 1
	at := start{position: next, prefix: stored.Offset, hasPre: true, end: end}
	moved := m.hasCommitted && stored.Offset < m.committed
	switch {
	case next > end:
		return e.rewind(id, m, e.afterTail(m, end), fmt.Sprintf("offset %d is stored and the log ends before %d", stored.Offset, end))
	case m.hasNext && !trusted && stored.Offset < m.next:
		return e.rewind(id, m, e.afterTail(m, end), fmt.Sprintf("offset %d was reached and the log is not the same any more", m.next))
	case moved:
		return e.rewind(id, m, at, fmt.Sprintf("offset %d was stored and it is %d now", m.committed, stored.Offset))
	case trusted && m.next > next:
		return pinned(m.next, end)
	}
	return at
}

// unstored is place where nothing is stored.
func (e *engine) unstored(id uint32, m *memory, end uint64, trusted bool) start {
	switch {
	case m.hasNext && !trusted:
		return e.rewind(id, m, e.afterTail(m, end), fmt.Sprintf("offset %d was reached and the log is not the same any more", m.next))
	case m.hasCommitted:
		return e.rewind(id, m, start{jumpOK: true, end: end}, fmt.Sprintf("offset %d was stored and there is none any more", m.committed))
	case trusted:
		return pinned(m.next, end)
	}
	if at, ok := e.standalone.Start.start(end); ok {
		return at
	}
	return e.first(end)
}

// trusts tells whether the message before the place that is remembered of a
// partition is still the one that was acknowledged: after a server lost the
// tail of a log, other messages may have got its offsets. It fails when the partition
// does not seem to be this member's any more: then nothing can be compared.
func (m *membership) trusts(ctx context.Context, id uint32, mem *memory, end uint64) (bool, error) {
	switch {
	case !mem.hasNext || mem.next > end:
		return false, nil
	case mem.stamp == 0:
		return true, nil // nothing was acknowledged that could be compared
	}
	e, same := m.e, false
	err := m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := c.Poll(ctx, transport.Poll{
			Consumer: m.e.who, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: mem.next - 1},
		})
		if unreadable(err) {
			polled, err = e.salvage(ctx, c, id, mem, mem.next-1)
		}
		switch {
		case unreadable(err): // nor can it be compared
			return nil
		case err != nil:
			return err
		case len(polled.Messages) > 0:
			first := polled.Messages[0]
			same = first.Offset == mem.next-1 && first.Timestamp == mem.stamp
		case e.grouped && silent(polled, id):
			return fmt.Errorf("iggy: %s/%s/%d: %w: asked for offset %d", e.who.Stream, e.who.Topic, id, errSilent, mem.next-1)
		}
		return nil
	})
	return same, err
}

// errSilent says that a member may have asked for a partition that it does not own.
var errSilent = errors.New("answered as if it belonged to another member")

// silent tells whether an answer without messages may be the one that a member gets for a partition which it
// does not own (measured on Iggy 0.8.0): that of an empty partition 0.
func silent(polled *transport.Polled, id uint32) bool {
	return polled.Partition != id || id == 0 && polled.CurrentOffset == 0
}

// first is where a partition begins for which nothing is stored.
func (e *engine) first(end uint64) start {
	switch e.cfg.StartFrom {
	case config.StartNext:
		return pinned(end, end)
	case config.StartLast:
		return pinned(max(end, 1)-1, end)
	default:
		return start{position: 0, jumpOK: true, end: end}
	}
}

// pinned begins at an offset that depends on the moment: it is stored, or a
// change of owners before the first commit would skip what came in between.
func pinned(position, end uint64) start {
	s := start{position: position, end: end}
	if position > 0 {
		s.prefix, s.hasPre, s.pin = position-1, true, true
	}
	return s
}

// afterTail is where a log goes on that lost its end. Messages may have been
// appended since, below the old position: those with a later time than the
// last acknowledged one are new. So are those of its time behind it, if the log is
// whole after all: a batch has one time. While nothing was acknowledged, all goes on at the first message
// that was seen; without any, nothing is surely handled, and the log is read from its start.
func (e *engine) afterTail(m *memory, end uint64) start {
	m.stray = true
	past := handled{stamp: m.stamp, below: m.next}
	if m.stamp == 0 {
		past = m.before
	}
	if past.stamp == 0 {
		return start{position: 0, jumpOK: true, end: end}
	}
	return start{
		from: &transport.Strategy{Kind: transport.FromTimestamp, Value: past.stamp}, handled: past,
		end: end, position: end, jumpOK: true,
	}
}

// rewind applies on_rewind to a position that moved back.
func (e *engine) rewind(id uint32, m *memory, follow start, what string) start {
	at := follow
	switch e.cfg.OnRewind {
	case config.RewindLatest:
		at, m.stray = pinned(follow.end, follow.end), false
	case config.RewindStop:
		at.stopped = fmt.Errorf("iggy: %s/%s/%d: %s (on_rewind: stop)", e.who.Stream, e.who.Topic, id, what)
	default:
		at.replay = true
	}
	at.rewound = true
	m.hasCommitted, m.hasNext = false, false
	e.log.Warn("the partition moved back: "+what, zap.Uint32("partition", id), zap.Uint64("offset", at.position),
		zap.String("on_rewind", string(e.cfg.OnRewind)))
	return at
}

// unstore deletes an offset that is stored where a partition begins at its start: no
// other offset stands for that. It may be a Seek, which is to outlive the connection, or an
// empty log. A server that was
// killed brings a lost offset back as 0, and the log without its messages (measured
// on Iggy 0.8.0): a process that starts when there is a new message
// at 0, before anything is stored anew, would take that for handled. Where a group without an
// offset does not begin at the start, it would skip more than that.
func (m *membership) unstore(ctx context.Context, id uint32, at *start) error {
	e := m.e
	if !e.commits || !at.hasStored || at.end > 0 && !at.unpin || at.stopped != nil || e.cfg.StartFrom != config.StartFirst {
		return nil
	}
	err := m.do(ctx, func(ctx context.Context, c transport.Conn) error { return c.DeleteOffset(ctx, e.who, id) })
	var status *iggyerr.StatusError
	switch {
	case err == nil || errors.As(err, &status) && status.Status == iggyerr.StatusOffsetNotStored:
		at.hasStored = false
		e.log.Info("deleted the stored offset: the partition is read from its start", zap.Uint32("partition", id), zap.Uint64("offset", at.stored))
	case status == nil:
		return err
	default: // it stays, as it was
		e.log.Warn("the partition is read from its start, and the offset that is stored cannot be deleted", zap.Uint32("partition", id), zap.Error(err))
	}
	return nil
}

// inspect looks at a partition where something did not fit: whether it is
// still ours, and then what audit looks at.
func (m *membership) inspect(ctx context.Context, p *partition) error {
	if owned, err := m.stillOwned(ctx, p); err != nil || !owned {
		return err
	}
	return m.audit(ctx, p)
}

// audit compares the stored offsets and the ends of the logs with what they
// should be. A partition where they differ is taken up anew.
func (m *membership) audit(ctx context.Context, owned ...*partition) error {
	type place struct {
		p       *partition
		reached uint64
		due     bool // its stored offset is to be read
	}
	var places []place
	var ids []uint32
	for _, p := range owned {
		p.mu.Lock()
		at := place{p, p.position, p.suspect || time.Since(p.verified) >= m.e.verifyAfter(len(owned))}
		if p.from != nil {
			at.reached = 0
		}
		watched := p.phase == phaseActive && !p.hot && p.stopped == nil // the watch compares its end
		p.mu.Unlock()
		if at.due || !watched {
			places, ids = append(places, at), append(ids, p.id)
		}
	}
	if len(places) == 0 {
		return nil
	}
	// Read after the positions: unless it was cut, a log only grows.
	ends, err := m.ends(ctx, ids)
	if err != nil {
		return err
	}
	for _, at := range places {
		end := ends[at.p.id]
		if !at.due && end >= at.reached {
			at.p.mu.Lock()
			at.p.reaches(end)
			at.p.mu.Unlock()
			continue
		}
		if err := m.verify(ctx, at.p, at.reached, end); err != nil {
			return err
		}
	}
	m.e.fetchMore()
	return nil
}

// verifyAfter is how often the stored offset of one of n partitions is read
// again while nothing is committed: one of them in each probe interval.
func (e *engine) verifyAfter(n int) time.Duration { return time.Duration(n) * e.cfg.ProbeInterval }

// reaches notes where the log ends: a partition with much to do is polled seldom, and
// its lag is to be true, too. p.mu is held.
func (p *partition) reaches(end uint64) {
	if end > p.end {
		p.end, p.hot = end, true
	}
}

// verify looks at one partition that had reached an offset.
func (m *membership) verify(ctx context.Context, p *partition, reached, end uint64) error {
	e := m.e
	select {
	case p.commitTurn <- struct{}{}: // no commit of our own in between
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.commitTurn }()
	now, err := m.offset(ctx, p.id)
	if err != nil {
		return err
	}
	p.mu.Lock()
	stored := p.stored
	moved := e.commits && !e.onPoll && p.movedTo(now)
	cut := end < reached
	active := p.phase == phaseActive
	if active && !moved && !cut {
		p.verified = time.Now()
		p.reaches(end)
		if p.suspect {
			p.suspect = false
			p.end, p.hot = max(end, p.position), p.from != nil || end > p.position
		}
	}
	p.mu.Unlock()
	if !active {
		return nil
	}
	if !moved && !cut {
		e.fetchMore()
		return nil
	}
	// The one who moved it may be the next owner.
	if owned, err := m.stillOwned(ctx, p); err != nil || !owned {
		return err
	}
	if moved && now.Stored && now.Offset > stored {
		p.log.Warn("the stored offset was moved ahead by someone else, following", zap.Uint64("offset", now.Offset))
	}
	e.lost(p, fmt.Errorf("%w: taken up again at another offset", ErrLost))
	trusted, err := m.trusts(ctx, p.id, p.memory, end)
	if err != nil {
		return err
	}
	at := e.place(p.id, p.memory, now, end, trusted)
	if cut && !at.rewound {
		// What was acknowledged is still there, but what was delivered since is
		// not. Whatever came instead is behind it.
		at = e.rewind(p.id, p.memory, at, fmt.Sprintf("offset %d was reached and the log ends before %d", reached, end))
	}
	at.stored, at.hasStored = now.Offset, now.Stored
	if err := m.takeUp(ctx, p.id, at); err != nil {
		return err
	}
	e.hooks.post(hookAssigned, p.id)
	return nil
}
