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
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/watch"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the log of one partition behind a connection that answers each request after a round
// trip, several at once.
type server struct {
	transport.Conn
	roundTrip time.Duration

	mu       sync.Mutex
	clock    uint64 // the time of the last message
	log      []wire.Message
	purged   []wire.Message // what is returned though it was purged
	damaged  uint64         // messages below were saved after a purge, and can't be read
	older    int            // how many messages before the time an answer by time begins with
	polls    []transport.Poll
	under    int
	most     int                                             // polls under way at once
	answer   func(transport.Poll) (*transport.Polled, error) // replaces the log's answer if it gives one
	delay    func(n int) time.Duration                       // more than the round trip, for poll number n
	topicErr error
	purging  bool // the topic is empty already
}

func (s *server) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	return fn(ctx, s)
}

// appendMessages adds n messages, each with a time of its own.
func (s *server) appendMessages(n int) {
	for range n {
		s.appendBatch(1)
	}
}

// appendBatch adds n messages that have the same time.
func (s *server) appendBatch(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	for range n {
		offset := uint64(0)
		if len(s.log) > 0 {
			offset = s.log[len(s.log)-1].Offset + 1
		}
		s.log = append(s.log, wire.Message{Offset: offset, Timestamp: 999 + s.clock, Payload: make([]byte, 100)})
	}
}

// setClock changes the time of the next messages.
func (s *server) setClock(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = uint64(int(s.clock) + by)
}

// setAnswer replaces the answers of the log from now on; nil: it does not any more.
func (s *server) setAnswer(answer func(transport.Poll) (*transport.Polled, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// purge purges the log as a server with default settings does that has not saved its messages.
func (s *server) purge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purged, s.log, s.purging = append(s.purged, s.log...), nil, false
}

// save saves the messages, which damages the log after a purge: purged messages are returned in
// place of the saved ones.
func (s *server) save() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged = uint64(len(s.log))
}

// read returns the messages from a place on, as a server with default settings does after a purge.
func (s *server) read(p transport.Poll) (messages []wire.Message) {
	value, stored := p.Strategy.Value, s.log
	if s.damaged > 0 {
		stored = slices.Clone(s.log)
		for i := range stored[:s.damaged] {
			stored[i].Timestamp = s.purged[i%len(s.purged)].Timestamp
		}
	} else if len(s.purged) > 0 {
		stored = slices.Concat(s.purged, s.log)
	}
	for i := range stored {
		m := stored[i]
		switch {
		case len(messages) == int(p.Count):
		case p.Strategy.Kind == transport.FromTimestamp:
			time := m.Timestamp
			if s.damaged > 0 {
				time = s.log[i].Timestamp // the index is as it should be
			}
			next := min(i+s.older, len(stored)-1)
			if time >= value || s.older > 0 && stored[next].Timestamp >= value {
				messages = append(messages, m)
			}
		case m.Offset >= value && len(s.log) > 0 && p.Strategy.Value <= s.log[len(s.log)-1].Offset:
			messages = append(messages, m)
			value = m.Offset + 1
		}
	}
	return messages
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
	polled.Messages = s.read(p)
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
	if s.purging {
		p = transport.Partition{}
	}
	return transport.Topic{Partitions: []transport.Partition{p}}, s.topicErr
}

// pollsFrom returns the polls from the n-th on.
func (s *server) pollsFrom(n int) []transport.Poll {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.polls[n:])
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
	times   []uint64
	take    bool // batches are taken at once
}

func (q *queue) Offer(b *fetch.Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range b.Messages {
		q.offsets = append(q.offsets, b.Messages[i].Offset)
		q.times = append(q.times, b.Messages[i].Timestamp)
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

// oldest returns the time of the oldest message that was offered.
func (q *queue) oldest() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Min(q.times)
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

// heard returns what the owner was told: how often the cursor stopped, failures of polls, and why
// the partition failed.
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
		Observe: func(time.Duration) {}, Topics: &watch.Topics{},
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
