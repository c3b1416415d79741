package embedded

import (
	"slices"
	"time"

	"go.uber.org/zap"
)

// handover is a partition that moves to another member once its owner has committed what it polled,
// or the time-out has passed.
type handover struct {
	partition  uint32
	targetSlot uint32
	targetID   uint32
	since      time.Time
}

// pendingHandover is a handover and the member that still has the partition.
type pendingHandover struct {
	from      *member
	partition uint32
}

func (m *member) isHandingOver(partition uint32) bool {
	return slices.ContainsFunc(m.handovers, func(h handover) bool { return h.partition == partition })
}

// planHandovers plans one handover for each member that has no partition and expects none. The
// partitions are the last ones of the members that have more than their share. A joining member
// gets no more than this one partition, so the assignment stays uneven until a member leaves. It
// needs the group's lock.
func (g *group) planHandovers(now time.Time) {
	expecting := map[uint32]bool{}
	g.members.each(func(_ uint32, m *member) {
		for _, h := range m.handovers {
			expecting[h.targetSlot] = true
		}
	})
	var idle []*member
	g.members.each(func(slot uint32, m *member) {
		if len(m.partitions) == 0 && !expecting[slot] {
			idle = append(idle, m)
		}
	})
	share, remainder := int(g.partitionCount)/g.members.len(), int(g.partitionCount)%g.members.len()
	g.members.each(func(_ uint32, m *member) {
		if len(idle) == 0 {
			return
		}
		var movable []uint32
		for _, p := range slices.Backward(m.partitions) {
			if !m.isHandingOver(p) {
				movable = append(movable, p)
			}
		}
		allowed := share
		if remainder > 0 {
			allowed++
		}
		if remainder > 0 && len(movable) > share {
			remainder--
		}
		for _, p := range movable[:max(0, min(len(movable)-allowed, len(movable)))] {
			if len(idle) == 0 {
				return
			}
			m.handovers = append(m.handovers, handover{
				partition: p, targetSlot: idle[0].slot, targetID: idle[0].id, since: now,
			})
			idle = idle[1:]
		}
	})
}

// completeHandover moves a partition to the member that it was planned for. When that member is
// gone, all partitions are assigned again. It needs the group's lock.
func (g *group) completeHandover(m *member, partition uint32) {
	i := slices.IndexFunc(m.handovers, func(h handover) bool { return h.partition == partition })
	if i < 0 {
		return
	}
	h := m.handovers[i]
	m.handovers = slices.Delete(m.handovers, i, i+1)
	m.partitions = slices.DeleteFunc(m.partitions, func(p uint32) bool { return p == partition })
	target := g.members.get(h.targetSlot)
	if target == nil || target.id != h.targetID {
		g.assignAll()
		return
	}
	target.partitions = append(target.partitions, partition)
}

// pendingHandovers returns the handovers for which ready returns true. It needs the group's lock.
func (g *group) pendingHandovers(ready func(handover) bool) []pendingHandover {
	var all []pendingHandover
	g.members.each(func(_ uint32, m *member) {
		for _, h := range m.handovers {
			if ready(h) {
				all = append(all, pendingHandover{from: m, partition: h.partition})
			}
		}
	})
	return all
}

// completeHandovers completes handovers. It needs the locks of the catalog and the group.
func (s *Server) completeHandovers(t *topic, g *group, reason string, all []pendingHandover) {
	for _, h := range all {
		g.completeHandover(h.from, h.partition)
		s.catalog.countChanges(1)
		s.log.Debug("partition handed over", zap.String("stream", t.stream.name), zap.String("topic", t.name),
			zap.String("group", g.name), zap.Uint32("partition", h.partition), zap.String("reason", reason))
	}
}

// completeCommittedHandovers completes the handovers of partitions from which nothing was polled or
// all of it is committed. It needs the locks of the catalog and the group.
func (s *Server) completeCommittedHandovers(t *topic, g *group) {
	s.completeHandovers(t, g, "committed", g.pendingHandovers(func(h handover) bool {
		p := t.partition(h.partition)
		return p != nil && p.polledIsCommitted(g.id)
	}))
}

// completeHandoverAfterCommit completes the handover of a partition when it waited for this commit.
// It needs the catalog's lock.
func (s *Server) completeHandoverAfterCommit(t *topic, g *group, slot, partition uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members.get(slot)
	if m == nil || !m.isHandingOver(partition) {
		return
	}
	if p := t.partition(partition); p != nil && p.polledIsCommitted(g.id) {
		s.completeHandovers(t, g, "committed", []pendingHandover{{from: m, partition: partition}})
	}
}

// expireHandoversPeriodically completes handovers after the time-out until the server stops.
func (s *Server) expireHandoversPeriodically() {
	tick := time.NewTicker(min(max(s.opts.handoverTimeout/8, time.Millisecond), 5*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			s.expireHandovers(now)
		}
	}
}

func (s *Server) expireHandovers(now time.Time) {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	s.catalog.eachTopic(func(t *topic) {
		t.groups.each(func(_ uint32, g *group) {
			g.mu.Lock()
			defer g.mu.Unlock()
			s.completeHandovers(t, g, "timed out", g.pendingHandovers(func(h handover) bool {
				return now.Sub(h.since) >= s.opts.handoverTimeout
			}))
		})
	})
}
