package producer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// route is the set of a topic's partitions during an epoch. It is immutable.
type route struct {
	epoch      *epoch
	partitions []*partition // ordered by id
}

// find returns the index of the partition with this id.
func (r *route) find(id uint32) (uint32, bool) {
	if int(id) < len(r.partitions) && r.partitions[id].id == id {
		return id, true
	}
	for i, p := range r.partitions {
		if p.id == id {
			return uint32(i), true
		}
	}
	return 0, false
}

// newRoute makes a route, and the partitions that are new. t.mu is held.
func (t *topicState) newRoute(meta transport.Topic, e *epoch) *route {
	r := &route{epoch: e, partitions: make([]*partition, len(meta.Partitions))}
	for i, m := range meta.Partitions {
		p := t.partitions[m.ID]
		if p == nil {
			p = newPartition(t, m.ID, e)
			t.partitions[m.ID] = p
		}
		r.partitions[i] = p
	}
	return r
}
