package producer

import (
	"sync"
)

// epoch is a period in which a topic's partitions stay the same. When their number changes, keys
// move to other partitions. To keep the order of a key all the same, the batches of an epoch wait
// until all batches of the earlier epochs are completed.
type epoch struct {
	number uint64

	mu      sync.Mutex
	before  []*epoch // earlier epochs that were not over when this one began
	batches int      // batches that are not completed
	closed  bool     // no batch will be added
	done    chan struct{}
}

func newEpoch(number uint64, before []*epoch) *epoch {
	return &epoch{number: number, before: before, done: make(chan struct{})}
}

// addBatch counts a batch of this epoch.
func (e *epoch) addBatch() {
	e.mu.Lock()
	e.batches++
	e.mu.Unlock()
}

// removeBatch counts a batch as completed.
func (e *epoch) removeBatch() {
	e.mu.Lock()
	e.batches--
	over := e.closed && e.batches == 0
	e.mu.Unlock()
	if over {
		close(e.done)
	}
}

// close notes that no batch will be added, except those that continue an uncompleted one.
func (e *epoch) close() {
	e.mu.Lock()
	e.closed = true
	over := e.batches == 0
	e.mu.Unlock()
	if over {
		close(e.done)
	}
}

// blocked returns nil when the epoch's batches may be sent. Otherwise it returns a channel to wait
// for before blocked is called again.
func (e *epoch) blocked() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.before) > 0 {
		first := e.before[0]
		select {
		case <-first.done:
			e.before = e.before[1:]
		default:
			return first.done
		}
	}
	e.before = nil
	return nil
}

// unfinished returns this epoch and the earlier ones that are not over.
func (e *epoch) unfinished() []*epoch {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*epoch, 0, len(e.before)+1)
	for _, b := range e.before {
		select {
		case <-b.done:
		default:
			list = append(list, b)
		}
	}
	return append(list, e)
}

// startEpoch queues the open batch, which belongs to an earlier epoch, and begins e. deleted tells
// whether the topic has lost the partition.
func (q *batchQueue) startEpoch(e *epoch, deleted bool) {
	q.mu.Lock()
	q.partition.deleted.Store(deleted)
	q.startEpochLocked(e)
	wake := q.markAwake(q.senderState == senderLingering)
	q.mu.Unlock()
	if wake {
		q.wakeSender()
	}
}

// startEpochLocked is startEpoch for callers that hold q.mu.
func (q *batchQueue) startEpochLocked(e *epoch) {
	if q.epoch.number >= e.number {
		return
	}
	if q.open != nil {
		q.queueOpenBatch()
	}
	q.epoch = e
}
