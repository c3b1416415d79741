package producer

import "github.com/fetchbox/fetchbox-iggy/internal/wire"

// Partitioner chooses the partition of a record, as an index from 0 to
// partitions-1, for records without an explicit partition. It is called by the
// sending goroutines, possibly several at a time, and must give the same answer
// for the same key and number of partitions for the key's records to stay in order.
type Partitioner func(stream, topic, key string, partitions uint32) uint32

// choice is how a record got its partition: what must be done when the
// partition vanishes.
type choice uint8

const (
	byTurn    choice = iota // any other will do
	byKey                   // the key's hash gives another
	byRequest               // explicit, or by a custom Partitioner: there is no other
)

// choose picks an index into the route's partitions, which are never none.
func (p *Producer) choose(t *topicState, r *route, it *item) (index uint32, hash uint32, how choice, ok bool) {
	n := uint32(len(r.partitions))
	if id, explicit := it.partition.ID(); explicit {
		index, ok = r.find(id)
		return index, 0, byRequest, ok
	}
	if p.partitioner != nil {
		index = p.partitioner(t.stream, t.name, it.key, n)
		return index, 0, byRequest, index < n
	}
	if it.key != "" {
		hash = wire.XXH32(it.key)
		return hash % n, hash, byKey, true
	}
	return t.turn.Load() % n, 0, byTurn, true
}
