package producer

import "sync"

// epoch is a time in which a topic's partitions stayed the same. When their
// number changes, keys move to other partitions; for the messages of a key to
// be stored in order all the same, batches of a new epoch wait until those of
// the epochs before it are settled.
type epoch struct {
	number uint64

	mu     sync.Mutex
	before []*epoch // those that were not over when this one began
	live   int      // batches without an outcome
	closed bool     // no batch will be added any more
	done   chan struct{}
}

func newEpoch(number uint64, before []*epoch) *epoch {
	return &epoch{number: number, before: before, done: make(chan struct{})}
}

func (e *epoch) enter() {
	e.mu.Lock()
	e.live++
	e.mu.Unlock()
}

func (e *epoch) leave() {
	e.mu.Lock()
	e.live--
	over := e.closed && e.live == 0
	e.mu.Unlock()
	if over {
		close(e.done)
	}
}

// close says that no batch will be added, but for those that take over the
// messages of a live one.
func (e *epoch) close() {
	e.mu.Lock()
	e.closed = true
	over := e.live == 0
	e.mu.Unlock()
	if over {
		close(e.done)
	}
}

// gate is nil when the epoch's batches may be sent, and otherwise a channel to
// wait for before asking again.
func (e *epoch) gate() <-chan struct{} {
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

// undone are this epoch and those before it that are not over.
func (e *epoch) undone() []*epoch {
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
