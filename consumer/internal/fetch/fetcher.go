package fetch

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/watch"
	"github.com/fetchbox/fetchbox-iggy/internal/roundtrip"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// maxPolls is how many polls may be in flight at once on a session.
const maxPolls = 64

// Session is a connection. Do runs requests on it, within the request timeout.
type Session interface {
	Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error
}

// Config says how the partitions of a consumer are read.
type Config struct {
	Consumer transport.Consumer
	Log      *zap.Logger
	// BatchSize is how many messages a poll asks for at most.
	BatchSize int
	// RetryPause is the least pause after a poll that was refused.
	RetryPause                       time.Duration
	PollIntervalMin, PollIntervalMax time.Duration
	// Topics are the topics that readers wait for, and Server identifies the server in them: see
	// watch.Key.
	Topics *watch.Topics
	Server any
	// StopAtGap is on_gap: stop.
	StopAtGap bool
	// AtMostOnce has Store store the offsets of messages before they are offered.
	AtMostOnce bool
	Store      func(ctx context.Context, partition uint32, offset uint64) error
	// Observe is called with how long each poll took.
	Observe func(time.Duration)
}

// Fetcher reads the assigned partitions over one session. Its methods are safe for concurrent use.
type Fetcher struct {
	cfg       Config
	log       Log
	session   Session
	roundTrip roundtrip.Least
	wake      chan struct{} // holds a token when due is not empty
	topic     *watch.Member // set by Run
	slots     chan struct{} // holds a token for each poll in flight

	mu      sync.Mutex
	cursors []*Cursor
	due     []*Cursor // each at most once: Cursor.listed
}

// New returns a fetcher, which reads nothing before Run.
func New(cfg Config, s Session) *Fetcher {
	return &Fetcher{
		cfg: cfg, log: Log{cfg.Consumer}, session: s, wake: make(chan struct{}, 1), slots: make(chan struct{}, maxPolls),
	}
}

// detach removes a cursor.
func (f *Fetcher) detach(c *Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.cursors, c); i >= 0 {
		f.cursors = slices.Delete(f.cursors, i, i+1)
	}
}

// ready has the fetcher check whether a poll of c is due.
func (f *Fetcher) ready(c *Cursor) {
	if c.listed.Swap(true) {
		return
	}
	f.mu.Lock()
	f.due = append(f.due, c)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run polls and waits for new messages until ctx ends, and then waits for the requests in flight.
func (f *Fetcher) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	f.topic = f.join(ctx)
	running.Go(func() { f.topic.Run(ctx) })
	for {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
		f.mu.Lock()
		due := f.due
		f.due = nil
		f.mu.Unlock()
		for _, c := range due {
			c.listed.Store(false)
			if !f.dispatch(ctx, c, &running) {
				return
			}
		}
	}
}

// dispatch makes the polls of c that are due; false when ctx ended.
func (f *Fetcher) dispatch(ctx context.Context, c *Cursor, running *sync.WaitGroup) bool {
	for {
		select {
		case f.slots <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		p := c.plan(time.Now())
		if p == nil {
			<-f.slots
			return true
		}
		running.Go(func() {
			defer func() { <-f.slots }()
			f.run(ctx, c, p)
		})
	}
}
