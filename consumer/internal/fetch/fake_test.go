package fetch_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the log of one partition behind a connection that answers each
// request after a round trip, several at once.
type server struct {
	transport.Conn
	roundTrip time.Duration

	mu       sync.Mutex
	log      []wire.Message
	polls    []transport.Poll
	under    int
	most     int                                             // polls under way at once
	answer   func(transport.Poll) (*transport.Polled, error) // replaces the log's answer if it gives one
	delay    func(n int) time.Duration                       // more than the round trip, for poll number n
	topicErr error
}

func (s *server) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	return fn(ctx, s)
}

// appendMessages adds n messages.
func (s *server) appendMessages(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		offset := uint64(0)
		if len(s.log) > 0 {
			offset = s.log[len(s.log)-1].Offset + 1
		}
		s.log = append(s.log, wire.Message{Offset: offset, Timestamp: 1000 + offset, Payload: make([]byte, 100)})
	}
}

func (s *server) Poll(ctx context.Context, p transport.Poll) (*transport.Polled, error) {
	s.mu.Lock()
	n := len(s.polls)
	s.polls = append(s.polls, p)
	s.under++
	s.most = max(s.most, s.under)
	wait := s.roundTrip
	if s.delay != nil {
		wait += s.delay(n)
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.under--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != nil {
		if polled, err := s.answer(p); polled != nil || err != nil {
			return polled, err
		}
	}
	polled := &transport.Polled{Partition: uint32(p.Partition)}
	if len(s.log) > 0 {
		polled.CurrentOffset = s.log[len(s.log)-1].Offset
	}
	for _, m := range s.log {
		if len(polled.Messages) == int(p.Count) {
			break
		}
		if p.Strategy.Kind == transport.FromOffset && m.Offset >= p.Strategy.Value || p.Strategy.Kind == transport.FromTimestamp && m.Timestamp >= p.Strategy.Value {
			polled.Messages = append(polled.Messages, m)
		}
	}
	return polled, nil
}

func (s *server) Topic(context.Context, string, string) (transport.Topic, error) {
	time.Sleep(s.roundTrip)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := transport.Partition{Messages: uint64(len(s.log))}
	if len(s.log) > 0 {
		p.CurrentOffset = s.log[len(s.log)-1].Offset
	}
	return transport.Topic{Partitions: []transport.Partition{p}}, s.topicErr
}

// made are how many polls were made, and together how many were under way at once.
func (s *server) made() (polls, together int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.polls), s.most
}

// queue takes what a cursor reads, and holds it until it is taken.
type queue struct {
	mu      sync.Mutex
	batches []*fetch.Batch
	offsets []uint64 // of everything that was offered
	take    bool     // batches are taken at once
}

func (q *queue) Offer(b *fetch.Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range b.Messages {
		q.offsets = append(q.offsets, b.Messages[i].Offset)
	}
	if !q.take {
		q.batches = append(q.batches, b)
	}
}

func (q *queue) Buffered() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.batches)
}

func (q *queue) all() []uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.offsets)
}

func (q *queue) empty() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.batches = nil
}

// room is a limit on bytes.
type room struct {
	mu   sync.Mutex
	left int
}

func (r *room) Take(want, least int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := min(want, r.left)
	if got < least {
		return 0
	}
	r.left -= got
	return got
}

func (r *room) Give(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += n
}

// owner notes what it is told.
type owner struct {
	mu       sync.Mutex
	verify   int
	failures []error
	failed   error
	stopped  int
}

func (o *owner) NeedsVerify(uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.verify++
}

func (o *owner) PollFailed(_ uint32, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failures = append(o.failures, err)
}

func (o *owner) Failed(_ uint32, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed = err
}

func (o *owner) Stopped(uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped++
}

// heard returns what the owner was told: how often the cursor stopped, failures of polls, and why the
// partition failed.
func (o *owner) heard() (stopped int, failures []error, failed error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stopped, slices.Clone(o.failures), o.failed
}

func (o *owner) verifications() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.verify
}

// setup is one cursor that reads a server's log.
type setup struct {
	server  *server
	queue   *queue
	room    *room
	owner   *owner
	history *fetch.History
	cfg     fetch.Config
	fetcher *fetch.Fetcher
	cursor  *fetch.Cursor
	stop    func()
}

func newSetup() *setup {
	s := &setup{server: &server{}, queue: &queue{}, room: &room{left: 1 << 30}, owner: &owner{}, history: fetch.NewHistory(10)}
	s.cfg = fetch.Config{
		Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: "g", Group: true}, Log: zap.NewNop(),
		BatchSize: 10, RetryPause: 100 * time.Millisecond, PollIntervalMin: time.Millisecond, PollIntervalMax: 50 * time.Millisecond,
		Observe: func(time.Duration) {},
	}
	return s
}

// start runs a cursor from a place.
func (s *setup) start(t *testing.T, at fetch.Start) {
	t.Helper()
	s.fetcher = fetch.New(s.cfg, s.server)
	s.cursor = s.fetcher.NewCursor(0, at, s.owner, s.queue, s.room, s.history, false)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.fetcher.Run(ctx)
	}()
	s.cursor.Start()
	s.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(s.stop)
}

// ascending are the offsets from first to the one before end.
func ascending(first, end uint64) []uint64 {
	var offsets []uint64
	for o := first; o < end; o++ {
		offsets = append(offsets, o)
	}
	return offsets
}

func requireOffsets(t *testing.T, first, end uint64, got []uint64) {
	t.Helper()
	require.Equal(t, ascending(first, end), got)
}
