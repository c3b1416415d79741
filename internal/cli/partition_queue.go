package cli

import (
	"cmp"
	"slices"
	"time"
)

const (
	// maxQueuedMessages and maxQueuedBytes bound a partition's queue: beyond them its delivery is
	// paused.
	maxQueuedMessages = 1000
	maxQueuedBytes    = 4 << 20
)

// partitionQueue holds the messages of one partition until those of the other partitions are there.
type partitionQueue struct {
	partition uint32
	end       uint64 // the offset after the last message to read
	messages  []message
	bytes     int
	paused    bool

	next   uint64 // the offset after the last message received
	lastID [16]byte
}

// add queues a message. It drops one that was delivered twice.
func (q *partitionQueue) add(m message) {
	if q.next == m.Offset+1 && q.lastID == m.ID {
		return
	}
	q.next, q.lastID = max(q.next, m.Offset+1), m.ID
	q.messages = append(q.messages, m)
	q.bytes += len(m.payload)
}

func (q *partitionQueue) pop() message {
	m := q.messages[0]
	q.messages = q.messages[1:]
	q.bytes -= len(m.payload)
	return m
}

// clear empties the queue, and returns what it held.
func (q *partitionQueue) clear() []message {
	all := q.messages
	q.messages, q.bytes = nil, 0
	return all
}

// hasMessage reports whether the first message is one before the end.
func (q *partitionQueue) hasMessage() bool {
	return len(q.messages) > 0 && q.messages[0].Offset < q.end
}

func (q *partitionQueue) isFull() bool {
	return len(q.messages) >= maxQueuedMessages || q.bytes >= maxQueuedBytes
}

// timestamp is when the server stored the first message.
func (q *partitionQueue) timestamp() time.Time { return q.messages[0].Timestamp }

// sortByTime sorts messages by the time at which the server stored them.
func sortByTime(messages []message) {
	slices.SortStableFunc(messages, func(a, b message) int {
		return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
}
