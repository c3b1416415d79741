package producer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/roundtrip"
)

// connection is one of the producer's connections.
type connection struct {
	*link.Link
	requests requestLimit
}

// requestLimit bounds the requests that senders have in flight on a connection. A sender takes its
// batch when it may make a request, and not before: until then the batch gets more messages. So
// there are fewer and larger requests where there are many partitions. A server nearby is busy with a
// few requests; one at a distance needs more.
type requestLimit struct {
	roundTrip roundtrip.Least

	mu       sync.Mutex
	more     int // than minInFlight
	inFlight int
	waiting  []*permit
}

const (
	minInFlight = 4
	maxInFlight = 256
	// requestTime is how long a server is busy with one request, roughly (measured on Iggy 0.8.0).
	requestTime = 100 * time.Microsecond
)

// permit lets a partition's sender make a request. Only the sender may call its methods.
type permit struct {
	of      *requestLimit
	held    bool
	granted chan struct{} // has a value when it was granted to a waiting sender
}

// take takes the permit if the limit allows it. Otherwise the sender is waiting: granted has a value
// when it has the permit, until cancel.
func (p *permit) take() {
	l := p.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight < minInFlight+l.more {
		l.inFlight++
		p.held = true
		return
	}
	l.waiting = append(l.waiting, p)
}

// await waits for the permit, until ctx ends or d has passed.
func (p *permit) await(ctx context.Context, d time.Duration) {
	if p.take(); p.held {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.granted:
		p.held = true
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	p.cancel()
}

// cancel ends waiting. The permit may have been granted at the same time.
func (p *permit) cancel() {
	l := p.of
	l.mu.Lock()
	i := slices.Index(l.waiting, p)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 {
		<-p.granted
		p.held = true
	}
}

// release gives the permit to the next sender, if it is held.
func (p *permit) release() {
	if !p.held {
		return
	}
	p.held = false
	l := p.of
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	for l.inFlight < minInFlight+l.more && len(l.waiting) > 0 {
		l.inFlight++
		l.waiting[0].granted <- struct{}{}
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
}

// observe learns from a request that took so long.
func (l *requestLimit) observe(took time.Duration, now time.Time) {
	least := l.roundTrip.Observe(took, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more = int(min(least/requestTime, maxInFlight-minInFlight))
}
