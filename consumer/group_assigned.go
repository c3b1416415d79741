package consumer

import (
	"slices"

	"go.uber.org/zap"
)

// present gives the owned partitions.
func (e *engine) assignedPartitions() []*partition {
	owned, _ := e.roundRobin()
	return owned
}

// turn gives the owned partitions and whose turn is first.
func (e *engine) roundRobin() ([]*partition, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.assigned) == 0 {
		return nil, 0
	}
	e.firstPartition = (e.firstPartition + 1) % len(e.assigned)
	return e.assigned, e.firstPartition
}

// find gives the present ownership of a partition; nil when there is none.
func (e *engine) findPartition(id uint32) *partition {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.assigned {
		if p.id == id {
			return p
		}
	}
	return nil
}

// adopt adds to the owned partitions.
func (e *engine) addPartitions(taken ...*partition) {
	e.mu.Lock()
	owned := append(slices.Clone(e.assigned), taken...)
	slices.SortFunc(owned, func(a, b *partition) int { return int(a.id) - int(b.id) })
	e.setAssigned(owned)
	e.mu.Unlock()
	e.wakePollers()
}

// drop removes p from the owned partitions.
func (e *engine) removePartition(p *partition) {
	p.mu.Lock()
	counted := p.counters
	p.mu.Unlock()
	e.mu.Lock()
	if i := slices.Index(e.assigned, p); i >= 0 {
		e.setAssigned(slices.Delete(slices.Clone(e.assigned), i, i+1))
		e.pastCounters.add(counted)
	}
	e.mu.Unlock()
	e.wakePollers()
}

// deal tells the bounds who shares them, and has those that share them look again whether they
// may go on: with other members, each may have more. e.mu is held.
func (e *engine) setAssigned(owned []*partition) {
	e.assigned = owned
	e.workersPerPartition.Store(int64(workerShare(e.maxWorkers, len(owned))))
	inFlight, prefetch, decompressed := make([]*quotaShare, len(owned)), make([]*prefetchShare, len(owned)), make([]*quotaShare, len(owned))
	for i, p := range owned {
		inFlight[i], prefetch[i], decompressed[i] = &p.inFlightShare, &p.prefetchShare, &p.decompressedShare
	}
	e.inFlight.setMembers(inFlight)
	e.prefetch.setMembers(prefetch)
	e.decompressed.setMembers(decompressed)
	for _, p := range owned {
		p.inFlightShare.waiting.Store(false)
		p.decompressedShare.waiting.Store(false)
		e.scheduler.schedule(p)
	}
}

// handlerShare is how many handlers one of n partitions may keep busy: all but those
// that the others need to have one each.
func workerShare(workers, n int) int {
	switch {
	case workers <= 1 || n <= 1:
		return max(workers, 1)
	case workers >= n:
		return workers - n + 1
	default:
		return workers - 1
	}
}

// lost ends an ownership that was taken from this consumer.
func (e *engine) losePartition(p *partition, cause error) {
	unfinished, first := p.lose(cause)
	e.removePartition(p)
	if !first {
		return
	}
	p.log.Info("partition lost", zap.Int("count", unfinished), zap.Error(cause))
	e.hooks.post(hookLost, p.id)
	e.wakeMembership()
}

// leaveBounds takes p, which is lost, out of the shared bounds; but for its
// ghosts. p.mu is held.
func (e *engine) leaveQuotas(p *partition, orphans int) {
	wakeAll(e.inFlight.remove(&p.inFlightShare, orphans))
	e.prefetch.remove(&p.prefetchShare)
	wakeAll(e.decompressed.remove(&p.decompressedShare, 0))
	e.wakePollers()
}

// recheck lists the present ownership of a partition whose former handlers have returned.
func (e *engine) scheduleByID(id uint32) {
	if p := e.findPartition(id); p != nil {
		e.scheduler.schedule(p)
	}
}

// counted counts a change of the assignment.
func (e *engine) countRebalance() {
	e.mu.Lock()
	e.rebalances++
	e.mu.Unlock()
}
