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
// gets more messages. So there are fewer and larger requests where there are many partitions. A few
// requests keep a server nearby busy. One at a distance needs more, and larger ones, since a partition
// has only one in flight.
//
// Both bounds grow as long as requests are answered soon, and shrink when they are not: then the
// network or the server is slower than what is in flight.
type requestLimit struct {
	roundTrip roundtrip.Least
	// extra is how many times its configured size a batch may have in addition. It changes with mu
	// held, and is read without.
	extra atomic.Int64

	mu       sync.Mutex
	more     int // requests in flight beyond minInFlight
	inFlight int
	waiting  []*permit
}

const (
	// minInFlight and maxInFlight bound the number of requests in flight that are allowed.
	minInFlight = 4
	maxInFlight = 256
	// requestTime is how long a server is busy with one request, roughly (measured on Iggy 0.8.0).
	requestTime = 100 * time.Microsecond
	// growTime is the part of the round trip for each of which a batch may grow by its configured size.
	growTime = 250 * time.Microsecond
	// maxExtra bounds the growth of batches to 8 times the configured size.
	maxExtra = 7
	// maxGrownBytes bounds a batch that grows, in bytes. The server accepts requests of 70 MB
	// (measured on Iggy 0.8.0).
	maxGrownBytes = 16 << 20
	// slowRequest is the time after which a request is not answered soon: this, or half of the request
	// timeout if that is less.
	slowRequest = 500 * time.Millisecond
)

// permit lets a partition's sender make a request. Only the sender may call its methods.
type permit struct {
	of      *requestLimit
	held    bool
	granted chan struct{} // of capacity 1; has a value when the permit was granted to a waiting sender
}

// take takes the permit if the limit allows it. Otherwise the sender is waiting, until granted has a
// value or it calls cancel.
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

// cancel ends waiting. If the permit was granted at the same time, the sender holds it.
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

// release gives the permit back, if it is held, and grants permits to senders that wait.
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
		l.waiting[0].granted <- struct{}{} // does not block: see granted
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
