package producer

import (
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Partitioner chooses the partition of a message that has no explicit partition, as an index from 0
// to partitions-1. It is called by the sending goroutines, several at a time. It must return the
// same index for the same key and number of partitions, or the key's messages lose their order.
type Partitioner func(stream, topic, key string, partitions uint32) uint32

// routing is how a message got its partition. It decides what happens to the message when the
// partition is deleted.
type routing uint8

const (
	byRoundRobin     routing = iota // it moves to any other partition
	byKey                           // it moves to the partition of its key's hash
	byExplicitChoice                // explicit or by a custom Partitioner: it fails
)

// choosePartition returns an index into the route's partitions, of which there is at least one.
func (p *Producer) choosePartition(t *topicState, r *route, it *item) (index uint32, hash uint32, routing routing, err error) {
	n := uint32(len(r.partitions))
	if id, explicit := it.partition.ID(); explicit {
		index, ok := r.find(id)
		if !ok {
			err = errNoPartition
		}
		return index, 0, byExplicitChoice, err
	}
	if p.partitioner != nil {
		index, err = p.callPartitioner(t, it, n)
		return index, 0, byExplicitChoice, err
	}
	if it.key != "" {
		hash = wire.XXH32(it.key)
		return hash % n, hash, byKey, nil
	}
	return t.roundRobin.Load() % n, 0, byRoundRobin, nil
}

// callPartitioner calls the custom Partitioner. A panic in it becomes the message's error. The
// message has reserved its room before. The caller releases it, unless the Partitioner calls
// runtime.Goexit.
func (p *Producer) callPartitioner(t *topicState, it *item, n uint32) (index uint32, err error) {
	returned := false
	defer func() {
		if !returned {
			p.limit.release(int64(it.size()), 1)
		}
	}()
	err = callback.Recover(func() error {
		index = p.partitioner(t.stream, t.name, it.key, n)
		return nil
	})
	returned = true
	switch {
	case err != nil:
		return 0, fmt.Errorf("partitioner: %w", err)
	case index >= n:
		return 0, errPartition
	}
	return index, nil
}

// errPartition is the cause when a custom Partitioner chooses a partition that the topic does not
// have.
var errPartition = errors.New("iggy: the partitioner chose a partition that the topic does not have")
