package deliver

import (
	"math"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// maxRun is how many messages a run has at most.
const maxRun = 64

// run is some messages of one queue that a worker, or the callers of Next, took at once. They are
// begun one after another without the queue's lock. Whoever has that lock can recall the messages
// that are not begun and settle those that have an outcome, so that none waits behind a slow one.
type run struct {
	// place is the number of the run in its upper half, and the index of the next message to begin
	// in its lower half; that is closedRun when no more may be begun.
	place atomic.Uint64
	// length is the number of messages, for those who look at the run without the queue's lock.
	length atomic.Int32
	// done is how many of the messages have an outcome, which is in errs.
	done     atomic.Int32
	messages []*Message
	errs     []error
	queue    *Queue // of a run for callers of Next

	// Guarded by the queue's lock.
	active  bool // was filled, and has not ended
	end     int  // messages from here on were recalled
	counted int  // messages that were counted as delivered
	settled int  // messages whose outcome was applied
}

const closedRun = math.MaxUint32 / 2

// reset empties the run. Nobody else uses it.
func (r *run) reset() {
	clear(r.messages)
	r.messages = r.messages[:0]
	r.end, r.counted, r.settled = 0, 0, 0
	r.done.Store(0)
	r.length.Store(0)
	r.place.Store((r.place.Load()>>32 + 1) << 32)
}

// fill makes the messages the content of the run.
func (r *run) fill() {
	r.end = len(r.messages)
	r.length.Store(int32(r.end))
	if len(r.errs) < r.end {
		r.errs = make([]error, max(r.end, min(maxRun, 2*len(r.errs))))
	}
}

// hasMore tells whether there are messages to begin.
func (r *run) hasMore() bool { return int(uint32(r.place.Load())) < int(r.length.Load()) }

// begin returns the next message to handle; nil when there is none.
func (r *run) begin() *Message {
	i := int(uint32(r.place.Add(1))) - 1
	if i >= len(r.messages) {
		return nil
	}
	return r.messages[i]
}

// setOutcome notes the outcome of the message that was begun last, for a run of one worker.
func (r *run) setOutcome(err error) {
	i := r.done.Load()
	r.errs[i] = err
	r.done.Store(i + 1)
}

// handle has the messages handled one after another, and returns how many were. A panic of handle is
// the outcome of its message.
func (r *run) handle(handle func(*Message) error) int {
	for {
		panicked := callback.Recover(func() error {
			for m := r.begin(); m != nil; m = r.begin() {
				r.setOutcome(handle(m))
			}
			return nil
		})
		if panicked == nil {
			return int(r.done.Load())
		}
		r.setOutcome(panicked)
	}
}

// begun returns how many messages were begun. The queue's lock is held.
func (r *run) begun() int { return min(int(uint32(r.place.Load())), r.end) }

// close lets no more messages be begun, and returns how many were. The queue's lock is held.
func (r *run) close() int {
	number := r.place.Load() >> 32
	r.end = min(int(uint32(r.place.Swap(number<<32|closedRun))), r.end)
	return r.end
}

// exhausted reports whether all messages were begun.
func (r *run) exhausted() bool { return int(uint32(r.place.Load())) >= len(r.messages) }
