package producer

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/roundtrip"
)

// connection is one of the producer's connections.
type connection struct {
	*link.Link
	requests requestLimit
}

// requestLimit bounds the requests that senders have in flight on a connection, and the size of their
// batches. A sender takes its batch when it may make a request, and not before: until then the batch
// gets more messages. So there are fewer and larger requests where there are many partitions. A
// server nearby is busy with a few requests; one at a distance needs more, and larger ones, since a
// partition has one in flight.
//
// Both bounds grow as long as requests are answered soon, and shrink when they are not: then the
// network or the server is slower than what is in flight.
type requestLimit struct {
	roundTrip roundtrip.Least
	extra     atomic.Int64 // sizes of a batch beyond the configured one

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
	// growTime is the round trip for which a batch has the configured size once more.
	growTime = 250 * time.Microsecond
	// maxExtra bounds the growth of batches to 8 times the configured size.
	maxExtra = 7
	// maxGrownBytes bounds a batch that grows, in bytes. The server accepts requests of 70 MB
	// (measured on Iggy 0.8.0).
	maxGrownBytes = 16 << 20
	// slowRequest is the time of a request that is not answered soon, unless half of the request timeout
	// is less.
	slowRequest = 500 * time.Millisecond
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

// observe learns from a request that took so long. slow tells that it was not answered soon.
func (l *requestLimit) observe(took time.Duration, slow bool, now time.Time) {
	least := l.roundTrip.Observe(took, now)
	more, extra := int(min(least/requestTime, maxInFlight-minInFlight)), int64(min(least/growTime, maxExtra))
	l.mu.Lock()
	defer l.mu.Unlock()
	if slow {
		more, extra = l.more/2, l.extra.Load()/2
	}
	l.more = min(more, 2*l.more+1)
	l.extra.Store(min(extra, 2*l.extra.Load()+1))
}

// batchSize returns how many messages and encoded bytes a batch may have.
func (l *requestLimit) batchSize(cfg *config.Producer) (messages, bytes int) {
	extra := int(l.extra.Load())
	messages, bytes = cfg.MaxBatchMessages, int(cfg.MaxBatchBytes)
	return messages + extra*messages, max(bytes, min(bytes+extra*bytes, maxGrownBytes))
}
