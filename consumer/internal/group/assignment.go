package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

// assignment is the partitions that a membership has. It belongs to the loop.
type assignment struct {
	*base
	session    Session
	server     server
	ctx        context.Context // the membership's
	partitions map[uint32]*partition
	paused     map[uint32]bool
	// busy are partitions for which a request is under way. None of them is taken before it has
	// ended, also when it was lost meanwhile.
	busy map[uint32]bool
	// delivering tells that active partitions are started. They are drained during a rebalance, and
	// when the consumer stops.
	delivering bool
	// again asks for another survey soon.
	again   bool
	epoch   uint64
	changes int64
	// absent are partitions that a standalone consumer is to read and that the topic does not have.
	absent []uint32
}

// begin is the start of a membership, which has no partitions yet.
func (a *assignment) begin(ctx context.Context, s Session) {
	a.ctx, a.session, a.server = ctx, s, server{s, a.cfg.Consumer}
	a.delivering, a.again, a.absent = true, false, nil
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

// find gives the partition of an assignment with that number; nil when it has ended.
func (a *assignment) find(id uint32, epoch uint64) *partition {
	if p := a.partitions[id]; p != nil && p.epoch == epoch {
		return p
	}
	return nil
}

// renew gives p the number of a new assignment.
func (a *assignment) renew(p *partition, epoch uint64) {
	p.epoch, p.interrupted, p.failures, p.retryAt = epoch, false, 0, time.Time{}
}

// sorted are the partitions by id.
func (a *assignment) sorted() []*partition {
	all := make([]*partition, 0, len(a.partitions))
	for _, p := range a.partitions {
		all = append(all, p)
	}
	slices.SortFunc(all, func(p, q *partition) int { return int(p.id) - int(q.id) })
	return all
}

// in are the ids of the partitions in one of the states; with none, of those that are assigned.
func (a *assignment) in(states ...PartitionState) []uint32 {
	var ids []uint32
	for _, p := range a.sorted() {
		if slices.Contains(states, p.state) || len(states) == 0 && p.state.assigned() {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// epochs are the known partitions with the numbers of their assignments.
func (a *assignment) epochs() map[uint32]uint64 {
	known := make(map[uint32]uint64, len(a.partitions))
	for id, p := range a.partitions {
		known[id] = p.epoch
	}
	return known
}

// settled tells that every partition is fetched and delivered, and that nothing else is known.
func (a *assignment) settled() bool {
	return !a.again && len(a.in(PartitionActive)) == len(a.partitions)
}

// learned adds and removes partitions as the server has assigned them.
func (a *assignment) learned(l learned) {
	for _, id := range l.assigned {
		p := a.partitions[id]
		_, asked := l.asked[id]
		switch {
		case p == nil && asked:
			a.again = true // it has ended since
		case p == nil:
			p = &partition{id: id}
			a.partitions[id] = p
			a.move(p, partitionFound)
		case p.epoch == l.asked[id] && p.state == PartitionDraining:
			a.keep(p)
		}
	}
	for _, id := range l.pending {
		if p := a.find(id, l.asked[id]); p != nil && p.state == PartitionActive {
			a.missing(p)
		}
	}
	for _, id := range l.gone {
		cause := errNotAssigned
		if !a.cfg.Consumer.Group {
			cause = errRemoved
		}
		if p := a.find(id, l.asked[id]); p != nil && p.state != PartitionTaking { // then the claim's answer tells
			a.lose(p, cause)
		}
	}
	a.absent = l.absent
	for _, id := range l.absent {
		a.report.note(absentError(a.cfg.Consumer, id))
	}
}

// missing begins to drain a partition that the server is about to move.
func (a *assignment) missing(p *partition) {
	summary, _ := a.deps.Partitions.Summary(p.id)
	if summary.mustDeliver() {
		// The server moves it once what was polled is committed. While there is nothing to commit,
		// the first message must be handled.
		a.again = true
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

// keep goes on with a partition that was to be moved.
func (a *assignment) keep(p *partition) {
	if p.interrupted {
		// Its time was over, and it handover failed. No handler can work under an ended
		// context, so it is taken anew.
		a.takeAgain(p, Finding{}, errHandOver)
		return
	}
	a.stay(p)
	a.log.Info("handover called off, partition stays assigned", zap.Uint32("partition", p.id))
}

// stay goes on with a partition that drains.
func (a *assignment) stay(p *partition) {
	a.move(p, stays)
	a.start(p.id)
}

// takeAgain ends an assignment and has the partition taken anew.
func (a *assignment) takeAgain(p *partition, f Finding, cause error) {
	a.move(p, changeFound)
	p.finding = f
	a.ended(p, cause)
}

// start begins to fetch and deliver, unless everything is drained.
func (a *assignment) start(ids ...uint32) {
	if a.delivering && len(ids) > 0 {
		a.deps.Partitions.Start(ids...)
	}
}

// deliver drains all partitions, or goes on with them. What the server is about to move drains in
// any case.
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

// drained tells whether nothing is with the application any more, and nothing is being done with a
// partition.
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

// commitAll returns a request that commits what every partition can. Its answer's error is nil when
// all did; where someone else moved the stored offset, there is nothing to commit.
func (a *assignment) commitAll() func(ctx context.Context) event {
	ids := a.in(PartitionActive, PartitionDraining)
	return func(ctx context.Context) event {
		var errs []error
		for _, id := range ids {
			var moved *MovedError
			if err := a.deps.Partitions.Commit(ctx, id); err != nil && !errors.Is(err, ErrLost) && !errors.As(err, &moved) {
				errs = append(errs, fmt.Errorf("iggy: commit %s/%d: %w", a.cfg.Consumer.Topic, id, err))
			}
		}
		return event{kind: committed, err: errors.Join(errs...)}
	}
}

// lose ends an assignment that was taken from this member.
func (a *assignment) lose(p *partition, cause error) {
	had := p.state.assigned()
	a.move(p, partitionLost)
	if had {
		a.ended(p, cause)
	}
}

// ended has the consumer forget the assignment of p, which is in its next state already.
func (a *assignment) ended(p *partition, cause error) {
	unfinished := a.deps.Partitions.End(p.id, cause)
	a.changes++
	a.log.Info("partition lost", zap.Uint32("partition", p.id), zap.Int("count", unfinished), zap.Error(cause))
	a.deps.Observer.Lost([]uint32{p.id})
}

// release ends an assignment that was given up: revoked when nothing was left to do.
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

// left counts what is not finished and not committed now.
func (a *assignment) left() Left { return count(a.deps.Partitions, a.in()) }

func count(partitions Partitions, ids []uint32) (left Left) {
	for _, id := range ids {
		if s, ok := partitions.Summary(id); ok {
			left.Unfinished += s.Unfinished
			left.Waiting += s.Waiting
			left.Uncommitted += s.Uncommitted
		}
	}
	return left
}

// pause stops or resumes the delivery of a partition, assigned now or later.
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

// repeatPause applies what became of a pause while its partition was being claimed.
func (a *assignment) repeatPause(c Claim) {
	if paused := a.paused[c.Partition]; paused != c.Paused {
		a.deps.Partitions.Pause(c.Partition, paused)
	}
}
