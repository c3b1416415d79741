package producer

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Partitioner chooses the partition of a message, as an index from 0 to
// partitions-1, for messages without an explicit partition. It is called by the
// sending goroutines, possibly several at a time, and must give the same answer
// for the same key and number of partitions for the key's messages to stay in order.
type Partitioner func(stream, topic, key string, partitions uint32) uint32

// choice is how a message got its partition: what must be done when the
// partition vanishes.
type choice uint8

const (
	byTurn    choice = iota // any other will do
	byKey                   // the key's hash gives another
	byRequest               // explicit, or by a custom Partitioner: there is no other
)

// errAbsent is choose's error for an explicit partition that the route does not have.
var errAbsent = errors.New("no such partition")

// choose picks an index into the route's partitions, which are never none.
func (p *Producer) choose(t *topicState, r *route, it *item) (index uint32, hash uint32, how choice, err error) {
	n := uint32(len(r.partitions))
	if id, explicit := it.partition.ID(); explicit {
		index, ok := r.find(id)
		if !ok {
			err = errAbsent
		}
		return index, 0, byRequest, err
	}
	if p.partitioner != nil {
		index, err = p.ask(t, it, n)
		return index, 0, byRequest, err
	}
	if it.key != "" {
		hash = wire.XXH32(it.key)
		return hash % n, hash, byKey, nil
	}
	return t.turn.Load() % n, 0, byTurn, nil
}

// ask calls the custom partitioner. A panic in it is the message's error. The message already has room in the
// buffer, which must be given back: by the caller, unless the partitioner ends its goroutine.
func (p *Producer) ask(t *topicState, it *item, n uint32) (index uint32, err error) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("partitioner: %w", &iggyerr.PanicError{Value: v, Stack: debug.Stack()})
		} else if !returned {
			p.ceiling.leave(int64(it.size()), 1)
		}
	}()
	index = p.partitioner(t.stream, t.name, it.key, n)
	returned = true
	if index >= n {
		return 0, errPartition
	}
	return index, nil
}
