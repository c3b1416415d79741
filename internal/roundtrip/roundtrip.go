// Package roundtrip estimates the round trip to a server.
package roundtrip

import (
	"sync"
	"time"
)

// period is for how long a round trip is remembered, once or twice over.
const period = 10 * time.Second

// Least learns how long a request takes that does not wait for others: the shortest time of the last
// 10 to 20 seconds. The zero Least is ready. Its methods are safe for concurrent use.
type Least struct {
	mu     sync.Mutex
	least  time.Duration // in this period
	former time.Duration // in the period before
	since  time.Time
}

// Observe notes that a request took so long, and returns the least time.
func (l *Least) Observe(took time.Duration, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) > period {
		l.former, l.least, l.since = l.least, 0, now
	}
	if l.least == 0 || took < l.least {
		l.least = took
	}
	if l.former != 0 {
		return min(l.least, l.former)
	}
	return l.least
}
