package consumer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Standalone describes a consumer without a group.
type Standalone struct {
	// Name is under which name offsets are stored. Without one nothing is
	// stored: acknowledging only makes room for the next messages.
	Name string
	// Partitions are the partitions to read; none means all, also those that
	// are added later.
	Partitions []uint32
	// Start is where reading begins. The zero Position is Stored.
	Start Position
}

// anonymous is the name with which a standalone consumer without one polls.
const anonymous = "fetchbox-iggy"

// Position is a place in a partition.
type Position struct {
	kind  positionKind
	value uint64
}

type positionKind uint8

const (
	atStored positionKind = iota
	atFirst
	atLast
	atEnd
	atOffset
	atTime
)

// Stored is after the offset that the consumer has stored, and where
// start_from says when there is none.
func Stored() Position { return Position{kind: atStored} }

// First is the first message that there is.
func First() Position { return Position{kind: atFirst} }

// Last is the last message that there is.
func Last() Position { return Position{kind: atLast} }

// End is after the last message: only what comes from now on is read.
func End() Position { return Position{kind: atEnd} }

// Offset is the message with that offset, or the first one after it; an offset beyond the
// end is the end.
func Offset(offset uint64) Position { return Position{kind: atOffset, value: offset} }

// Time is the first message that the server stored at t or later.
func Time(t time.Time) Position {
	return Position{kind: atTime, value: uint64(max(t.UnixMicro(), 0))}
}

// String is the position in words.
func (p Position) String() string {
	switch p.kind {
	case atFirst:
		return "first"
	case atLast:
		return "last"
	case atEnd:
		return "end"
	case atOffset:
		return fmt.Sprintf("offset %d", p.value)
	case atTime:
		return "time " + time.UnixMicro(int64(p.value)).UTC().Format(time.RFC3339Nano)
	default:
		return "stored"
	}
}

// start is where to begin at p, given where the log ends; false for Stored.
func (p Position) start(end uint64) (start, bool) {
	switch p.kind {
	case atFirst:
		return start{position: 0, jumpOK: true, end: end}, true
	case atLast:
		return start{position: max(end, 1) - 1, jumpOK: true, end: end}, true
	case atEnd:
		return start{position: end, end: end}, true
	case atOffset:
		return start{position: min(p.value, end), jumpOK: true, end: end}, true
	case atTime:
		return start{
			from:     &transport.Strategy{Kind: transport.FromTimestamp, Value: p.value},
			position: end, jumpOK: true, end: end,
		}, true
	default:
		return start{}, false
	}
}

// chosen is the partitions that a standalone consumer reads.
func (m *membership) chosen(ctx context.Context) ([]uint32, error) {
	meta, err := m.topic(ctx)
	if err != nil {
		return nil, err
	}
	var ids []uint32
	for _, p := range meta.Partitions {
		if wanted := m.e.standalone.Partitions; len(wanted) == 0 || slices.Contains(wanted, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	for _, id := range m.e.standalone.Partitions {
		if !slices.Contains(ids, id) {
			m.e.note(fmt.Errorf("iggy: %s/%s/%d: %w", m.e.who.Stream, m.e.who.Topic, id, iggyerr.ErrNotFound))
		}
	}
	return ids, nil
}

// order is a Seek that waits for the membership's loop.
type order struct {
	id   uint32
	to   Position
	done chan error // of capacity 1
}

// seek has a partition taken up at another place.
func (e *engine) seek(ctx context.Context, id uint32, to Position) error {
	o := order{id: id, to: to, done: make(chan error, 1)}
	e.mu.Lock()
	e.orders = append(e.orders, o)
	e.mu.Unlock()
	e.kick()
	var err error
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-e.done:
		err = iggyerr.ErrClosed
	}
	// Nobody waits for it any more, so it must not happen at some later time.
	e.mu.Lock()
	e.orders = slices.DeleteFunc(e.orders, func(other order) bool { return other.done == o.done })
	e.mu.Unlock()
	return err
}

// obey carries out the orders.
func (m *membership) obey(ctx context.Context) error {
	m.e.mu.Lock()
	orders := m.e.orders
	m.e.orders = nil
	m.e.mu.Unlock()
	for _, o := range orders {
		o.done <- m.move(ctx, o)
	}
	return nil
}

// move takes a partition up at another place. What was in hand of it is
// forgotten: the contexts of its handlers end, and late acknowledgements have no effect.
func (m *membership) move(ctx context.Context, o order) error {
	e := m.e
	p := e.find(o.id)
	if p == nil {
		return fmt.Errorf("iggy: seek %s/%s/%d: %w", e.who.Stream, e.who.Topic, o.id, iggyerr.ErrNotOwner)
	}
	select {
	case p.commitTurn <- struct{}{}: // a commit of the old place must not come after the new one
		defer func() { <-p.commitTurn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ends, err := m.ends(ctx, []uint32{o.id})
	if err != nil {
		return err
	}
	stored, err := m.offset(ctx, o.id)
	if err != nil {
		return err
	}
	p.lose(errSought)
	e.drop(p)
	delete(m.revoking, o.id) // it is looked at anew whether it is about to be taken
	at, ok := o.to.start(ends[o.id])
	p.memory.hasNext, p.memory.hasCommitted, p.memory.stray = false, false, false // it moves on purpose
	if !ok {
		at = e.place(o.id, p.memory, stored, ends[o.id], false)
	}
	switch { // it outlives a reconnection
	case at.from == nil && at.position > 0:
		at.prefix, at.hasPre, at.pin = at.position-1, true, true
	case at.from == nil:
		at.unpin = ok
	}
	at.replay = true
	at.stored, at.hasStored = stored.Offset, stored.Stored
	return m.takeUp(ctx, o.id, at)
}

// pause stops or resumes the delivery of a partition.
func (e *engine) pause(id uint32, paused bool) {
	e.mu.Lock()
	if paused {
		e.paused[id] = true
	} else {
		delete(e.paused, id)
	}
	e.mu.Unlock()
	if p := e.find(id); p != nil {
		p.mu.Lock()
		p.paused = paused
		p.announce()
		p.mu.Unlock()
		e.fetchMore()
	}
}

func (e *engine) isPaused(id uint32) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.paused[id]
}
