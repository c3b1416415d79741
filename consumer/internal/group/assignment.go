package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

// assignment is the partitions of a membership. It belongs to the loop.
type assignment struct {
	*base
	session    Session
	server     server
	ctx        context.Context // the membership's
	partitions map[uint32]*partition
	paused     map[uint32]bool
	// busy are partitions with a handover or a seek in flight. None of them is prepared before that
	// has ended, also when it was lost meanwhile.
	busy map[uint32]bool
	// delivering tells that active partitions are started. During a rebalance and a stop they are
	// drained.
	delivering bool
	// surveyNeeded has a survey made with the next tick.
	surveyNeeded bool
	epoch        uint64
	changes      int64
	// absent are partitions that a standalone consumer is configured to read and the topic does not
	// have.
	absent []uint32
}

// begin begins a membership, which has no partitions yet.
func (a *assignment) begin(ctx context.Context, s Session) {
	a.ctx, a.session, a.server = ctx, s, server{s, a.cfg.Consumer}
	a.delivering, a.surveyNeeded, a.absent = true, false, nil
}

// move changes the state of a partition as the table says.
func (a *assignment) move(p *partition, on partitionEvent) {
	to, why := partitionTable.next(p.state, on)
	if why != "" {
		a.log.DPanic("impossible event", zap.Uint32("partition", p.id), zap.Stringer("state", p.state), zap.Stringer("event", on), zap.String("reason", why))
		return
	}
	p.state = to
	if to == PartitionAbsent {
		delete(a.partitions, p.id)
	}
}

// find returns the partition of an assignment with that epoch; nil when the assignment has ended.
func (a *assignment) find(id uint32, epoch uint64) *partition {
	if p := a.partitions[id]; p != nil && p.epoch == epoch {
		return p
	}
	return nil
}

// renew begins a new assignment of p.
func (a *assignment) renew(p *partition, epoch uint64) {
	p.epoch, p.interrupted, p.failures, p.retryAt = epoch, false, 0, time.Time{}
}

// sorted returns the partitions by id.
func (a *assignment) sorted() []*partition {
	all := make([]*partition, 0, len(a.partitions))
	for _, p := range a.partitions {
		all = append(all, p)
	}
	slices.SortFunc(all, func(p, q *partition) int { return int(p.id) - int(q.id) })
	return all
}

// in returns the ids of the partitions in one of the states; without states, of those that are
// assigned.
func (a *assignment) in(states ...PartitionState) []uint32 {
	var ids []uint32
	for _, p := range a.sorted() {
		if slices.Contains(states, p.state) || len(states) == 0 && p.state.assigned() {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// epochs returns the known partitions with the epochs of their assignments.
func (a *assignment) epochs() map[uint32]uint64 {
	known := make(map[uint32]uint64, len(a.partitions))
	for id, p := range a.partitions {
		known[id] = p.epoch
	}
	return known
}

// stable reports whether every known partition is active, and no survey is needed.
func (a *assignment) stable() bool {
	return !a.surveyNeeded && len(a.in(PartitionActive)) == len(a.partitions)
}

// learned adds, drains and removes partitions as the server has assigned them.
func (a *assignment) learned(l learned) {
	for _, id := range l.assigned {
		p := a.partitions[id]
		_, asked := l.known[id]
		switch {
		case p == nil && asked:
			a.surveyNeeded = true // it has ended since
		case p == nil:
			p = &partition{id: id}
			a.partitions[id] = p
			a.move(p, partitionFound)
		case p.epoch == l.known[id] && p.state == PartitionDraining:
			a.keepAssigned(p)
		}
	}
	for _, id := range l.pending {
		if p := a.find(id, l.known[id]); p != nil && p.state == PartitionActive {
			a.drainPending(p)
		}
	}
	for _, id := range l.gone {
		cause := errNotAssigned
		if !a.cfg.Consumer.Group {
			cause = errRemoved
		}
		// One that is being prepared is decided about when that has ended.
		if p := a.find(id, l.known[id]); p != nil && p.state != PartitionPreparing {
			a.lose(p, cause)
		}
	}
	a.absent = l.absent
	for _, id := range l.absent {
		a.report.note(absentError(a.cfg.Consumer, id))
	}
}

// drainPending begins to drain a partition that the server is about to move.
func (a *assignment) drainPending(p *partition) {
	summary, _ := a.deps.Partitions.Summary(p.id)
	if summary.mustDeliver() {
		// The server moves it at the commit that covers what was polled. As long as nothing can be
		// committed, the first message has to be settled.
		a.surveyNeeded = true
		return
	}
	a.drain(p, time.Now().Add(a.cfg.RebalanceTimeout))
	a.log.Info("partition is about to be reassigned, draining", zap.Uint32("partition", p.id), zap.Int("count", summary.Unfinished))
}

func (a *assignment) drain(p *partition, deadline time.Time) {
	a.move(p, drainBegun)
	p.deadline = deadline
	a.deps.Partitions.Drain(p.id)
}

// keepAssigned resumes a partition that the server does not move any more.
func (a *assignment) keepAssigned(p *partition) {
	if p.interrupted {
		// Its time was over, and its handover failed. The contexts of its handlers have ended, so it
		// needs a new assignment.
		a.restart(p, Finding{}, errHandOver)
		return
	}
	a.resumeDrained(p)
	a.log.Info("handover cancelled, partition stays assigned", zap.Uint32("partition", p.id))
}

// resumeDrained ends the draining of a partition.
func (a *assignment) resumeDrained(p *partition) {
	a.move(p, reassignmentCancelled)
	a.start(p.id)
}

// restart ends an assignment and has the partition prepared again.
func (a *assignment) restart(p *partition, f Finding, cause error) {
	a.move(p, changeFound)
	p.finding = f
	a.endLost(p, cause)
}

// start begins to fetch and deliver partitions, unless all are being drained.
func (a *assignment) start(ids ...uint32) {
	if a.delivering && len(ids) > 0 {
		a.deps.Partitions.Start(ids...)
	}
}

// deliver starts all active partitions, or drains all that are assigned. Those that the server is
// about to move are drained in any case.
func (a *assignment) deliver(on bool) {
	a.delivering = on
	if on {
		a.start(a.in(PartitionActive)...)
		return
	}
	if ids := a.in(); len(ids) > 0 {
		a.deps.Partitions.Drain(ids...)
	}
}

// drained reports whether all partitions are drained, and no handover or seek is in flight.
func (a *assignment) drained() bool {
	for _, p := range a.partitions {
		switch p.state {
		case PartitionHandingOver, PartitionSeeking:
			return false
		case PartitionActive, PartitionDraining:
			if s, ok := a.deps.Partitions.Summary(p.id); ok && !s.Drained {
				return false
			}
		}
	}
	return true
}

// interrupt ends the contexts of all handlers.
func (a *assignment) interrupt(cause error) {
	for _, id := range a.in() {
		a.deps.Partitions.Interrupt(id, cause)
	}
}

// commitAll returns a request that commits the acknowledged prefixes of all partitions. The error
// of its answer is nil when all of that is committed; where someone else moved the stored offset,
// there is nothing to commit.
func (a *assignment) commitAll() func(ctx context.Context) event {
	ids := a.in(PartitionActive, PartitionDraining)
	return func(ctx context.Context) event {
		var errs []error
		for _, id := range ids {
			var reset *ResetError
			if err := a.deps.Partitions.Commit(ctx, id); err != nil && !errors.Is(err, ErrLost) && !errors.As(err, &reset) {
				errs = append(errs, fmt.Errorf("iggy: commit %s/%d: %w", a.cfg.Consumer.Topic, id, err))
			}
		}
		return event{kind: committed, err: errors.Join(errs...)}
	}
}

// lose ends the assignment of a partition that is not this member's any more.
func (a *assignment) lose(p *partition, cause error) {
	had := p.state.assigned()
	a.move(p, partitionLost)
	if had {
		a.endLost(p, cause)
	}
}

// endLost ends the assignment of p in the consumer, after p has changed its state.
func (a *assignment) endLost(p *partition, cause error) {
	unfinished := a.deps.Partitions.End(p.id, cause)
	a.changes++
	a.log.Info("partition lost", zap.Uint32("partition", p.id), zap.Int("count", unfinished), zap.Error(cause))
	a.deps.Observer.Lost([]uint32{p.id})
}

// release ends an assignment that was handed over: it is revoked when no message was unfinished,
// and lost otherwise.
func (a *assignment) release(id uint32, cause error) {
	unfinished := a.deps.Partitions.End(id, cause)
	a.changes++
	a.log.Info("partition revoked", zap.Uint32("partition", id), zap.Int("count", unfinished))
	if unfinished > 0 {
		a.deps.Observer.Lost([]uint32{id})
		return
	}
	a.deps.Observer.Revoked([]uint32{id})
}

// remaining returns what is unfinished and uncommitted now.
func (a *assignment) remaining() Remaining { return remainingOf(a.deps.Partitions, a.in()) }

// remainingOf returns what is unfinished and uncommitted of some partitions.
func remainingOf(partitions Partitions, ids []uint32) (r Remaining) {
	for _, id := range ids {
		if s, ok := partitions.Summary(id); ok {
			r.Unfinished += s.Unfinished
			r.Waiting += s.Waiting
			r.Uncommitted += s.Uncommitted
		}
	}
	return r
}

// pause pauses or resumes a partition, whether it is assigned or not.
func (a *assignment) pause(id uint32, on bool) {
	if on {
		a.paused[id] = true
	} else {
		delete(a.paused, id)
	}
	if p := a.partitions[id]; p != nil && p.state.assigned() {
		a.deps.Partitions.Pause(id, on)
	}
}

// repeatPause applies a pause, or its end, that was requested after the claim was made.
func (a *assignment) repeatPause(c Claim) {
	if paused := a.paused[c.Partition]; paused != c.Paused {
		a.deps.Partitions.Pause(c.Partition, paused)
	}
}
