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
const anonymousName = "fetchbox-iggy"

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
func (p Position) startPoint(end uint64) (startPoint, bool) {
	switch p.kind {
	case atFirst:
		return startPoint{position: 0, anyFirstOffset: true, logEnd: end}, true
	case atLast:
		return startPoint{position: max(end, 1) - 1, anyFirstOffset: true, logEnd: end}, true
	case atEnd:
		return startPoint{position: end, logEnd: end}, true
	case atOffset:
		return startPoint{position: min(p.value, end), anyFirstOffset: true, logEnd: end}, true
	case atTime:
		return startPoint{
			firstPoll: &transport.Strategy{Kind: transport.FromTimestamp, Value: p.value},
			position:  end, anyFirstOffset: true, logEnd: end,
		}, true
	default:
		return startPoint{}, false
	}
}

// chosen is the partitions that a standalone consumer reads.
func (m *membership) standalonePartitions(ctx context.Context) ([]uint32, error) {
	meta, err := m.topicMetadata(ctx)
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
			m.e.setLastError(fmt.Errorf("iggy: %s/%s/%d: %w", m.e.identity.Stream, m.e.identity.Topic, id, iggyerr.ErrNotFound))
		}
	}
	return ids, nil
}

// order is a Seek that waits for the membership's loop.
type seekRequest struct {
	partition uint32
	to        Position
	done      chan error // of capacity 1
}

// seek has a partition taken up at another place.
func (e *engine) seek(ctx context.Context, id uint32, to Position) error {
	req := seekRequest{partition: id, to: to, done: make(chan error, 1)}
	e.mu.Lock()
	e.seeks = append(e.seeks, req)
	e.mu.Unlock()
	e.wakeMembership()
	var err error
	select {
	case err := <-req.done:
		return err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-e.membershipDone:
		err = iggyerr.ErrClosed
	}
	// Nobody waits for it any more, so it must not happen at some later time.
	e.mu.Lock()
	e.seeks = slices.DeleteFunc(e.seeks, func(other seekRequest) bool { return other.done == req.done })
	e.mu.Unlock()
	return err
}

// obey carries out the orders.
func (m *membership) applySeeks(ctx context.Context) error {
	m.e.mu.Lock()
	requests := m.e.seeks
	m.e.seeks = nil
	m.e.mu.Unlock()
	for _, req := range requests {
		req.done <- m.applySeek(ctx, req)
	}
	return nil
}

// move takes a partition up at another place. What was in hand of it is
// forgotten: the contexts of its handlers end, and late acknowledgements have no effect.
func (m *membership) applySeek(ctx context.Context, req seekRequest) error {
	e := m.e
	p := e.findPartition(req.partition)
	if p == nil {
		return fmt.Errorf("iggy: seek %s/%s/%d: %w", e.identity.Stream, e.identity.Topic, req.partition, iggyerr.ErrNotOwner)
	}
	select {
	case p.commitLock <- struct{}{}: // a commit of the old place must not come after the new one
		defer func() { <-p.commitLock }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ends, err := m.logEnds(ctx, []uint32{req.partition})
	if err != nil {
		return err
	}
	stored, err := m.storedOffset(ctx, req.partition)
	if err != nil {
		return err
	}
	p.lose(errSeek)
	e.removePartition(p)
	delete(m.revoking, req.partition) // it is looked at anew whether it is about to be taken
	at, ok := req.to.startPoint(ends[req.partition])
	p.history.hasNext, p.history.hasCommitted, p.history.logTruncated = false, false, false // it moves on purpose
	if !ok {
		at = e.chooseStart(req.partition, p.history, stored, ends[req.partition], false)
	}
	switch { // it outlives a reconnection
	case at.firstPoll == nil && at.position > 0:
		at.prefix, at.hasPrefix, at.storePrefix = at.position-1, true, true
	case at.firstPoll == nil:
		at.deleteStored = ok
	}
	at.resetDedup = true
	at.storedOffset, at.hasStored = stored.Offset, stored.Stored
	return m.assignPartition(ctx, req.partition, at)
}

// pause stops or resumes the delivery of a partition.
func (e *engine) setPaused(id uint32, paused bool) {
	e.mu.Lock()
	if paused {
		e.paused[id] = true
	} else {
		delete(e.paused, id)
	}
	e.mu.Unlock()
	if p := e.findPartition(id); p != nil {
		p.mu.Lock()
		p.paused = paused
		p.scheduleIfReady()
		p.mu.Unlock()
		e.wakePollers()
	}
}

func (e *engine) isPaused(id uint32) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.paused[id]
}
