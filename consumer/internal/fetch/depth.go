package fetch

import (
	"sync"
	"time"
)

// depth is how many polls of one partition are in flight at once. It grows while the application
// waits for messages and several polls are answered as fast as one: then the distance to the server
// limits the rate. It shrinks while the application does not wait.
type depth struct {
	polls  int
	unused int // answers in a row for which the application did not wait
}

const (
	// maxDepth bounds the polls of one partition that are in flight.
	maxDepth = 16
	// bufferedPolls is how many answers are prefetched.
	bufferedPolls = 2
	// shrinkAfter is the number of answers that nobody waited for after which the depth shrinks.
	shrinkAfter = 64
)

func (d *depth) reset() { d.polls = 1 }

// answered notes an answer. waited tells that it was complete and the application had nothing left,
// and quick that the answer was not delayed by others before it.
func (d *depth) answered(waited, quick bool) {
	if !waited {
		if d.unused++; d.unused >= shrinkAfter {
			d.unused, d.polls = 0, max(d.polls-1, 1)
		}
		return
	}
	d.unused = 0
	if quick {
		d.polls = min(2*d.polls, maxDepth)
	}
}

// roundTrip learns how long a request takes that does not wait for others: the shortest time of the
// last seconds.
type roundTrip struct {
	mu     sync.Mutex
	least  time.Duration // in this period
	former time.Duration // in the period before
	since  time.Time
}

// roundTripPeriod is for how long a round trip is remembered, once or twice over.
const roundTripPeriod = 10 * time.Second

// quick notes a round trip and tells whether it took less than twice as long as the least one.
func (r *roundTrip) quick(took time.Duration, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) > roundTripPeriod {
		r.former, r.least, r.since = r.least, 0, now
	}
	if r.least == 0 || took < r.least {
		r.least = took
	}
	least := r.least
	if r.former != 0 {
		least = min(least, r.former)
	}
	return took < 2*least
}
