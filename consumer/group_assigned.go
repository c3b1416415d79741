package consumer

import (
	"slices"

	"go.uber.org/zap"
)

// assignedPartitions returns the assigned partitions.
func (e *engine) assignedPartitions() []*partition {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.assigned
}

// roundRobin returns the assigned partitions and the index of the one to begin with.
func (e *engine) roundRobin() ([]*partition, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.assigned) == 0 {
		return nil, 0
	}
	e.firstPartition = (e.firstPartition + 1) % len(e.assigned)
	return e.assigned, e.firstPartition
}

// findPartition returns the present assignment of a partition; nil when there is none.
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

// addPartitions adds to the assigned partitions.
func (e *engine) addPartitions(added ...*partition) {
	e.mu.Lock()
	assigned := append(slices.Clone(e.assigned), added...)
	slices.SortFunc(assigned, func(a, b *partition) int { return int(a.id) - int(b.id) })
	e.setAssigned(assigned)
	e.mu.Unlock()
	e.wakePollers()
}

// removePartition removes p from the assigned partitions.
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

// setAssigned sets the assigned partitions, who share the quotas, and schedules them: with other
// members in the quotas, each may have more room. e.mu is held.
func (e *engine) setAssigned(assigned []*partition) {
	e.assigned = assigned
	e.workersPerPartition.Store(int64(workerShare(e.maxWorkers, len(assigned))))
	inFlight, prefetch, decompressed := make([]*quotaShare, len(assigned)), make([]*prefetchShare, len(assigned)), make([]*quotaShare, len(assigned))
	for i, p := range assigned {
		inFlight[i], prefetch[i], decompressed[i] = &p.inFlightShare, &p.prefetchShare, &p.decompressedShare
	}
	e.inFlight.setMembers(inFlight)
	e.prefetch.setMembers(prefetch)
	e.decompressed.setMembers(decompressed)
	for _, p := range assigned {
		p.inFlightShare.waiting.Store(false)
		p.decompressedShare.waiting.Store(false)
		e.scheduler.schedule(p)
	}
}

// workerShare is how many workers one of n partitions may occupy: all but those that the others
// need to have one each.
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

// losePartition ends an assignment whose partition went to another member.
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

// leaveQuotas takes p, which is lost, out of the quotas, except for its orphaned deliveries. p.mu
// is held.
func (e *engine) leaveQuotas(p *partition, orphans int) {
	wakeAll(e.inFlight.remove(&p.inFlightShare, orphans))
	e.prefetch.remove(&p.prefetchShare)
	wakeAll(e.decompressed.remove(&p.decompressedShare, 0))
	e.wakePollers()
}

// scheduleByID schedules the present assignment of a partition whose orphans have ended.
func (e *engine) scheduleByID(id uint32) {
	if p := e.findPartition(id); p != nil {
		e.scheduler.schedule(p)
	}
}

// countRebalance counts a change of the assignment.
func (e *engine) countRebalance() {
	e.mu.Lock()
	e.rebalances++
	e.mu.Unlock()
}
