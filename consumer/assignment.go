package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// nowhere is an offset beyond every log. A poll there with no partition
// id brings nothing but names an owned partition, the next one in turn; storing it
// is refused with one status for an owned partition and another for any
// other. Both measured on Iggy 0.8.0.
const nowhere = 1 << 62

// maxPartitions is how many partitions a topic may have.
const maxPartitions = 1000

// survey learns again when something changed: a new member, without which
// nothing is taken, or other shares. Once in a while, and where the
// group can't be read, it does so all the same.
func (m *membership) survey(ctx context.Context) error {
	if !m.e.grouped {
		return m.learn(ctx)
	}
	members, err := m.members(ctx, m.group())
	var status *iggyerr.StatusError
	if err != nil && (!errors.As(err, &status) || m.e.gone(err)) {
		return err
	}
	same := err == nil && len(m.revoking) == 0 && len(m.e.present()) == m.learned &&
		slices.EqualFunc(members.Partitions, m.seen.Partitions, slices.Equal) && m.isOne(members)
	if m.seen = members; same && m.skipped < maxSkipped {
		m.skipped++
		return nil
	}
	m.skipped = 0
	return m.learn(ctx)
}

// isOne tells whether one of the members has exactly what is owned here. If none
// has, a turn that jumped has hidden some.
func (m *membership) isOne(members transport.Members) bool {
	owned := idsOf(m.e.present())
	return slices.ContainsFunc(members.Partitions, func(ids []uint32) bool {
		return slices.Equal(slices.Sorted(slices.Values(ids)), owned)
	})
}

// maxSkipped is how many surveys in a row may find nothing changed before the
// partitions are learned all the same.
const maxSkipped = 10

// learn finds out which partitions are owned now, and takes up and gives up accordingly.
func (m *membership) learn(ctx context.Context) error {
	turn, err := m.turn(ctx)
	if err != nil {
		return err
	}
	for _, p := range m.e.present() {
		if slices.Contains(turn, p.id) {
			m.keep(p)
			continue
		}
		if err := m.missing(ctx, p); err != nil {
			return err
		}
	}
	var gained []uint32
	for _, id := range turn {
		if m.e.find(id) == nil {
			gained = append(gained, id)
		}
	}
	if err := m.gain(ctx, gained); err != nil {
		return err
	}
	m.learned = len(m.e.present())
	return nil
}

// present gives the owned partitions.
func (e *engine) present() []*partition {
	owned, _ := e.turn()
	return owned
}

// turn is the ids of the partitions that the server gives this consumer in
// turn. Those about to be taken from it are missing.
func (m *membership) turn(ctx context.Context) ([]uint32, error) {
	if !m.e.grouped {
		return m.chosen(ctx)
	}
	turn, err := m.round(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.Index(turn, 0); i >= 0 {
		// An owner of nothing is answered like one of an empty partition 0.
		owned, err := m.owns(ctx, 0)
		if err != nil {
			return nil, err
		}
		if !owned {
			turn = slices.Delete(turn, i, i+1)
		}
	}
	slices.Sort(turn)
	return turn, nil
}

// round asks until the partitions come round again. The server keeps the turn
// twice and changes over with every change of any of its metadata, so the turn
// may jump: a partition counts as missing only when it did not come in two rounds and
// more (the jumps were seen on Iggy 0.8.0).
func (m *membership) round(ctx context.Context) (round []uint32, err error) {
	owned := m.e.present()
	for again := 0; again <= 2*(len(round)+1) && len(round) <= maxPartitions; {
		polled, err := m.peek(ctx, transport.AnyPartition)
		if err != nil {
			return nil, err
		}
		i := slices.Index(round, polled.Partition)
		if i < 0 {
			round, again = append(round, polled.Partition), 0
			continue
		}
		again++
		if i == 0 && !slices.ContainsFunc(owned, func(p *partition) bool { return !slices.Contains(round, p.id) }) {
			break
		}
	}
	return round, nil
}

// peek polls beyond the end of the log.
func (m *membership) peek(ctx context.Context, partition int64) (polled *transport.Polled, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err = c.Poll(ctx, transport.Poll{
			Consumer: m.e.who, Partition: partition, Count: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: nowhere},
		})
		return err
	})
	return polled, err
}

// owns tells whether the partition is dealt to this member, about to be taken
// or not.
func (m *membership) owns(ctx context.Context, id uint32) (bool, error) {
	return m.ownsIn(ctx, m.e.who, id)
}

func (m *membership) ownsIn(ctx context.Context, who transport.Consumer, id uint32) (bool, error) {
	err := m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.StoreOffset(ctx, who, id, nowhere)
	})
	var status *iggyerr.StatusError
	switch {
	case errors.As(err, &status) && status.Status == iggyerr.StatusInvalidOffset:
		return true, nil
	case notOurs(err):
		return false, nil
	}
	return false, err
}

// keep looks after a partition that is in the turn: one that was to be taken
// is not any more.
func (m *membership) keep(p *partition) {
	if _, ok := m.revoking[p.id]; !ok {
		return
	}
	delete(m.revoking, p.id)
	if p.ctx.Err() != nil {
		// Its time was over, and it could not be handed over. No handler can work under
		// an ended context, so it is taken up anew.
		m.e.lost(p, context.Cause(p.ctx))
		return
	}
	p.mu.Lock()
	p.resume()
	p.mu.Unlock()
	p.log.Info("partition stays after all")
}

// gain takes up partitions that are new in the turn.
func (m *membership) gain(ctx context.Context, ids []uint32) error {
	if len(ids) == 0 {
		return nil
	}
	ends, err := m.ends(ctx, ids)
	if err != nil {
		return err
	}
	var taken []*partition
	fail := func(err error) error {
		for _, p := range taken {
			p.cancel(err)
		}
		return err
	}
	for _, id := range ids {
		if _, known := ends[id]; !known {
			continue // without its end, it would be taken for one that lost everything
		}
		stored, err := m.offset(ctx, id)
		if err != nil {
			return fail(err)
		}
		memory := m.e.recall(id)
		trusted, err := m.trusts(ctx, id, memory, ends[id])
		if err != nil {
			return fail(err)
		}
		at, chosen := m.e.standalone.Start.start(ends[id])
		if !chosen || memory.hasNext {
			at = m.e.place(id, memory, stored, ends[id], trusted)
		}
		at.stored, at.hasStored = stored.Offset, stored.Stored
		p, err := m.ownership(ctx, id, at)
		if err != nil {
			return fail(err)
		}
		taken = append(taken, p)
	}
	// All at once: the first one would take the others' part of the bounds.
	m.e.adopt(taken...)
	m.e.hooks.post(hookAssigned, idsOf(taken)...)
	return nil
}

func idsOf(partitions []*partition) (ids []uint32) {
	for _, p := range partitions {
		ids = append(ids, p.id)
	}
	return ids
}

// takeUp begins an ownership in place of one that ended.
func (m *membership) takeUp(ctx context.Context, id uint32, at start) error {
	p, err := m.ownership(ctx, id, at)
	if err == nil {
		m.e.adopt(p)
	}
	return err
}

// ownership makes a new ownership of a partition, begun at a place.
func (m *membership) ownership(ctx context.Context, id uint32, at start) (*partition, error) {
	e := m.e
	if err := m.unstore(ctx, id, &at); err != nil {
		return nil, err
	}
	p := &partition{
		e: e, id: id, session: m.session, memory: e.recall(id),
		log:        e.log.With(zap.Uint32("partition", id)),
		commitTurn: make(chan struct{}, 1),
		stepped:    make(chan struct{}),
		from:       at.from, handled: at.handled, position: at.position, jumpOK: at.jumpOK, end: at.end,
		hot:    at.from != nil || at.end > at.position,
		paused: e.isPaused(id), verified: time.Now(),
		stored: at.stored, hasStored: at.hasStored, attempted: nowhere,
	}
	p.ctx, p.cancel = context.WithCancelCause(e.ctx)
	if at.hasPre {
		p.tracker.startAt(at.prefix)
	}
	if at.from == nil && !e.commits {
		p.memory.next, p.memory.hasNext, p.memory.stamp = at.position, true, 0
	}
	if at.replay {
		p.memory.dedup.reset()
	}
	if at.rewound {
		p.tally.rewinds++
	}
	if at.hasStored && e.commits {
		p.memory.committed, p.memory.hasCommitted = at.stored, true
	}
	if at.pin && e.commits {
		if err := e.store(ctx, p, at.prefix); err != nil {
			p.cancel(err)
			return nil, err
		}
		p.stored, p.hasStored = at.prefix, true
		p.memory.committed, p.memory.hasCommitted = at.prefix, true
	}
	if at.stopped != nil {
		p.mu.Lock()
		p.stop(at.stopped)
		p.mu.Unlock()
		p.speak()
	}
	e.counted()
	p.log.Info("partition assigned", zap.Uint64("offset", at.position), zap.Uint64("end", at.end))
	return p, nil
}

// offset reads what is stored for a partition.
func (m *membership) offset(ctx context.Context, id uint32) (transport.Offset, error) {
	return m.e.offset(ctx, m.session, id)
}

// ends reads where the logs of partitions end: from the topic, which may lack some, and where that
// is not permitted from each partition.
func (m *membership) ends(ctx context.Context, ids []uint32) (map[uint32]uint64, error) {
	ends := make(map[uint32]uint64, len(ids))
	meta, err := m.topic(ctx)
	var status *iggyerr.StatusError
	switch {
	case err == nil:
		for _, id := range ids {
			if end, ok := logEnd(meta, id); ok {
				ends[id] = end
			}
		}
		return ends, nil
	case !errors.As(err, &status):
		return nil, err
	}
	for _, id := range ids {
		polled, err := m.peek(ctx, int64(id))
		if err != nil {
			return nil, err
		}
		if polled.Partition != id && m.e.grouped {
			return nil, fmt.Errorf("iggy: %s/%s/%d: %w: asked for its end", m.e.who.Stream, m.e.who.Topic, id, errSilent)
		}
		ends[id] = polled.CurrentOffset + 1
		if polled.CurrentOffset == 0 {
			// Empty, or of one message.
			if ends[id], err = m.count(ctx, id); err != nil {
				return nil, err
			}
		}
	}
	return ends, nil
}

// count is 1 when there is a message at the start of a log, else 0.
func (m *membership) count(ctx context.Context, id uint32) (n uint64, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := c.Poll(ctx, transport.Poll{
			Consumer: m.e.who, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset},
		})
		if err == nil {
			n = uint64(len(polled.Messages))
		}
		return err
	})
	if err == nil && n == 0 && id == 0 && m.e.grouped {
		// An owner of nothing is answered like this, too.
		if owned, err := m.owns(ctx, id); err != nil || !owned {
			return 0, errors.Join(err, errSilent)
		}
	}
	return n, err
}

// topic reads the topic's metadata.
func (m *membership) topic(ctx context.Context) (meta transport.Topic, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		meta, err = c.Topic(ctx, m.e.who.Stream, m.e.who.Topic)
		return err
	})
	return meta, err
}

// counted counts a change of the assignment.
func (e *engine) counted() {
	e.mu.Lock()
	e.rebalances++
	e.mu.Unlock()
}
