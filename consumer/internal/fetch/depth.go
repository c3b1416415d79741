package fetch

import (
	"sync"
	"time"
)

// depth is how many polls of one partition are under way at once. It grows
// while the application waits for messages and more polls are answered as
// fast as one: then the distance to the server is what limits the rate. It
// shrinks while the application is not waiting.
type depth struct {
	polls  int
	unused int // answers in a row that nobody waited for
}

const (
	// maxDepth bounds the polls of one partition that are under way.
	maxDepth = 16
	// bufferedPolls is how many answers are read ahead of the application.
	bufferedPolls = 2
	// shrinkAfter is after how many answers that nobody waited for the depth shrinks.
	shrinkAfter = 64
)

func (d *depth) reset() { d.polls = 1 }

// answered notes an answer with all that was asked for. waited tells that the
// application had nothing left, and quick that the answer was not slowed down
// by others before it.
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

// roundTrip learns how long a request takes on the way, without waiting for
// others: the least that was seen lately.
type roundTrip struct {
	mu     sync.Mutex
	least  time.Duration // in this period
	former time.Duration // in the period before
	since  time.Time
}

// roundTripPeriod is for how long a round trip is remembered, once or twice over.
const roundTripPeriod = 10 * time.Second

// quick notes a round trip and tells whether it took less than twice as long as the
// least one.
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
