package embedded

import (
	"slices"
	"sync"
	"time"
)

// group is a consumer group: who is a member and which partitions each member has. Joining is cooperative, leaving is
// not: see join and deal.
type group struct {
	id   uint32
	name string

	mu             sync.Mutex
	partitionCount uint32 // partitions of the topic
	members        slab[member]
}

// member is a connection in a group. Its slot in the slab decides its place when partitions are dealt, its id is the
// number that clients see.
type member struct {
	slot       uint32
	id         uint32
	client     uint32
	partitions []uint32
	// turn is where the member's polls without a partition go on, kept twice: see catalog.changes.
	cursor    [2]int
	handovers []handover
}

// handover is a partition that will move to another member once its owner has committed what it polled.
type handover struct {
	partition  uint32
	targetSlot uint32
	targetID   uint32
	since      time.Time
}

func (m *member) owns(partition uint32) bool { return slices.Contains(m.partitions, partition) }

func (m *member) isHandingOver(partition uint32) bool {
	return slices.ContainsFunc(m.handovers, func(h handover) bool { return h.partition == partition })
}

// The functions below need the group's lock.

func (g *group) memberOf(client uint32) *member {
	for _, m := range g.members.slots {
		if m != nil && m.client == client {
			return m
		}
	}
	return nil
}

// deal gives partition i to the member at position i mod n, at once, whatever is in the hands of the former owners.
func (g *group) assignAll() {
	var all []*member
	g.members.each(func(_ uint32, m *member) { all = append(all, m) })
	if len(all) == 0 || g.partitionCount == 0 {
		return
	}
	for _, m := range all {
		m.partitions, m.handovers = nil, nil
	}
	for i := range g.partitionCount {
		m := all[int(i)%len(all)]
		m.partitions = append(m.partitions, i)
	}
}

// join adds a member and asks for a partition for it. live tells which clients still exist: members of others are
// dropped first. Joining twice changes nothing.
func (g *group) join(client uint32, live func(uint32) bool, now time.Time) {
	for slot, m := range g.members.slots {
		if m != nil && !live(m.client) {
			g.members.remove(uint32(slot))
		}
	}
	if g.memberOf(client) != nil {
		return
	}
	id := uint32(0)
	g.members.each(func(_ uint32, m *member) { id = max(id, m.id+1) })
	m := &member{id: id, client: client}
	m.slot = g.members.insert(m)
	g.assignIdle(now)
}

// invite gives partitions that no one has to the members that have none, and marks one partition for each member that
// is still without, taken from the end of those that have more than their share. This is all that a joining member
// gets: shares stay uneven until the next deal.
func (g *group) assignIdle(now time.Time) {
	n := g.members.len()
	if n == 0 || g.partitionCount == 0 {
		return
	}
	var idle []*member
	g.members.each(func(_ uint32, m *member) {
		if len(m.partitions) == 0 {
			idle = append(idle, m)
		}
	})
	if len(idle) > 0 {
		taken := make([]bool, g.partitionCount)
		g.members.each(func(_ uint32, m *member) {
			for _, p := range m.partitions {
				if p < g.partitionCount {
					taken[p] = true
				}
			}
		})
		next := 0
		for p := range g.partitionCount {
			if !taken[p] {
				m := idle[next%len(idle)]
				m.partitions = append(m.partitions, p)
				next++
			}
		}
	}

	expected := map[uint32]bool{}
	g.members.each(func(_ uint32, m *member) {
		for _, h := range m.handovers {
			expected[h.targetSlot] = true
		}
	})
	idle = idle[:0]
	g.members.each(func(slot uint32, m *member) {
		if len(m.partitions) == 0 && !expected[slot] {
			idle = append(idle, m)
		}
	})
	share, rest := int(g.partitionCount)/n, int(g.partitionCount)%n
	g.members.each(func(_ uint32, m *member) {
		if len(idle) == 0 {
			return
		}
		var free []uint32
		for _, p := range slices.Backward(m.partitions) {
			if !m.isHandingOver(p) {
				free = append(free, p)
			}
		}
		allowed := share
		if rest > 0 {
			allowed++
		}
		if rest > 0 && len(free) > share {
			rest--
		}
		for _, p := range free[:max(0, min(len(free)-allowed, len(free)))] {
			if len(idle) == 0 {
				return
			}
			m.handovers = append(m.handovers, handover{partition: p, targetSlot: idle[0].slot, targetID: idle[0].id, since: now})
			idle = idle[1:]
		}
	})
}

// complete moves a partition that is to be handed over. When the member that it was meant for is gone, all is dealt
// again.
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

// leave removes a client and deals again. It returns the partitions that the client had and whether it was a member.
func (g *group) leave(client uint32) ([]uint32, bool) {
	m := g.memberOf(client)
	if m == nil {
		return nil, false
	}
	had := m.partitions
	g.members.remove(m.slot)
	g.assignAll()
	return had, true
}

// resize follows a changed number of partitions. When none is left, nothing is dealt and the members keep what does not
// exist any more, as on the real server.
func (g *group) setPartitionCount(count uint32) {
	g.partitionCount = count
	g.assignAll()
}

// pick takes the member's next partition in turn, leaving out those that are to be handed over; advance moves the turn.
// Since the turn is kept twice, any change on the server can make it jump: a member that counts on its partitions coming
// round one after the other is wrong, here as there.
func (m *member) nextPartition(current int, advance bool) (uint32, bool) {
	n := len(m.partitions) - len(m.handovers)
	if n <= 0 {
		return 0, false
	}
	i := m.cursor[current] % n
	if advance {
		m.cursor[current] = (m.cursor[current] + 1) % n
	}
	for _, p := range m.partitions {
		if m.isHandingOver(p) {
			continue
		}
		if i == 0 {
			return p, true
		}
		i--
	}
	return 0, false
}

// due is a handover whose time has come.
type pendingHandover struct {
	from      *member
	partition uint32
}

// due collects the handovers that ready says may be completed.
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
