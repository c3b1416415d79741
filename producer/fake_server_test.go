package producer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// fault is what the fake server does to a request.
type fault int

const (
	succeed       fault = iota
	cutBefore           // the connection breaks before the request is sent
	cutUnstored         // ... after it was sent, before it took effect
	cutStored           // ... after it took effect
	stallStored         // it is stored and never answered
	stallUnstored       // it is neither stored nor answered
	failUnstored        // status 13000, which may have an effect but has not
	failStored          // status 13000, and it is stored all the same
	unauthorized        // status 41
	notFound            // status 3007, though the partition exists
)

// server is a fake Iggy server and its dialer.
type server struct {
	mu       sync.Mutex
	topics   map[string]*fakeTopic
	refuse   error // returned by Dial
	delay    time.Duration
	faults   func(topic string, partition uint32, ids [][16]byte) fault
	requests int
	largest  int // the most messages of a request
	reads    int // of metadata
	order    int // of storing, over all partitions
	dials    int
	conns    map[*conn]bool
	changed  chan struct{}
}

type fakeTopic struct {
	partitions map[uint32][]stored
}

type stored struct {
	id      [16]byte
	payload string
	headers map[string]string
	encoded string // the headers
	created uint64 // the origin timestamp
	order   int    // over all partitions
}

func newServer() *server {
	return &server{topics: map[string]*fakeTopic{}, conns: map[*conn]bool{}, changed: make(chan struct{})}
}

// partitions creates a topic or changes its number of partitions; 0 deletes it.
func (s *server) partitions(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[name]
	if t == nil {
		t = &fakeTopic{partitions: map[uint32][]stored{}}
		s.topics[name] = t
	}
	if n == 0 {
		delete(s.topics, name)
	}
	for id := range uint32(n) {
		if _, ok := t.partitions[id]; !ok {
			t.partitions[id] = nil
		}
	}
	for id := range t.partitions {
		if id >= uint32(n) {
			delete(t.partitions, id)
		}
	}
}

func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *server) fail(f func(topic string, partition uint32, ids [][16]byte) fault) {
	s.set(func() { s.faults = f })
}

// always gives every request the fault f.
func always(f fault) func(string, uint32, [][16]byte) fault {
	return func(string, uint32, [][16]byte) fault { return f }
}

// first gives one fault each to the first requests.
func first(faults ...fault) func(string, uint32, [][16]byte) fault {
	return func(string, uint32, [][16]byte) fault {
		if len(faults) == 0 {
			return succeed
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

func (s *server) stored(name string, partition uint32) []stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[name]
	if t == nil {
		return nil
	}
	return append([]stored(nil), t.partitions[partition]...)
}

// log returns all stored messages of a topic, in the order of storing.
func (s *server) log(name string) []stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []stored
	for _, p := range s.topics[name].partitions {
		list = append(list, p...)
	}
	slices.SortFunc(list, func(a, b stored) int { return a.order - b.order })
	return list
}

func (s *server) payloads(name string, partition uint32) []string {
	var list []string
	for _, m := range s.stored(name, partition) {
		list = append(list, m.payload)
	}
	return list
}

func (s *server) count(what *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *what
}

// await waits until ok returns true. It calls ok after each request and dial.
func (s *server) await(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.Fail(t, "timed out")
		}
	}
}

func (s *server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// cut breaks all connections and refuses new ones until restore.
func (s *server) cut() {
	s.mu.Lock()
	s.refuse = errors.New("connection refused")
	conns := s.conns
	s.conns = map[*conn]bool{}
	s.mu.Unlock()
	for c := range conns {
		c.breakWith(io.EOF)
	}
}

func (s *server) restore() { s.set(func() { s.refuse = nil }) }

func (s *server) Dial(_ context.Context, address string, _ *tls.Config) (transport.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	s.notify()
	if s.refuse != nil {
		return nil, &iggyerr.ConnError{Op: "dial", Addr: address, Err: s.refuse}
	}
	c := &conn{server: s, done: make(chan struct{})}
	s.conns[c] = true
	return c, nil
}

// conn is a connection to a fake server. A method that no producer uses panics.
type conn struct {
	transport.Conn
	server *server
	once   sync.Once
	done   chan struct{}
	err    error
}

func (c *conn) Done() <-chan struct{} { return c.done }

func (c *conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

func (c *conn) Close() error {
	c.breakWith(iggyerr.ErrClosed)
	return nil
}

func (c *conn) breakWith(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.done)
	})
}

func (c *conn) cutError(op string, sent bool) error {
	c.breakWith(io.EOF)
	return &iggyerr.ConnError{Op: op, Addr: "fake", Sent: sent, Err: io.EOF}
}

func (c *conn) alive(op string) error {
	select {
	case <-c.done:
		return &iggyerr.ConnError{Op: op, Addr: "fake", Err: c.err}
	default:
		return nil
	}
}

func (c *conn) Login(context.Context, transport.Credentials) error { return c.alive("login") }

func (c *conn) Ping(context.Context) error { return c.alive("ping") }

func (c *conn) Topic(_ context.Context, stream, topic string) (transport.Topic, error) {
	if err := c.alive("topic"); err != nil {
		return transport.Topic{}, err
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	s.notify()
	t := s.topics[topic]
	if t == nil {
		return transport.Topic{}, &iggyerr.StatusError{Op: "topic", Object: stream + "/" + topic, Status: iggyerr.StatusTopicNotFound}
	}
	meta := transport.Topic{}
	for id := range uint32(len(t.partitions)) {
		meta.Partitions = append(meta.Partitions, transport.Partition{ID: id})
	}
	return meta, nil
}

func (c *conn) Send(ctx context.Context, stream, topic string, partition uint32, b *wire.Batch) error {
	if err := c.alive("send"); err != nil {
		return err
	}
	var ids [][16]byte
	for m := range b.Messages() {
		ids = append(ids, m.ID)
	}
	s := c.server
	s.mu.Lock()
	s.requests++
	s.largest = max(s.largest, len(ids))
	what, delay := succeed, s.delay
	if s.faults != nil {
		what = s.faults(topic, partition, ids)
	}
	t := s.topics[topic]
	var missing iggyerr.Status
	if t == nil {
		missing = iggyerr.StatusTopicNotFound
	} else if _, ok := t.partitions[partition]; !ok {
		missing = iggyerr.StatusPartitionNotFound
	}
	if missing == 0 && (what == succeed || what == cutStored || what == stallStored || what == failStored) {
		for m := range b.Messages() {
			r := stored{id: m.ID, payload: string(m.Payload), headers: map[string]string{}, encoded: string(m.Headers), created: m.OriginTimestamp, order: s.order}
			s.order++
			if err := wire.RangeHeaders(m.Headers, func(k, v string) bool { r.headers[k] = v; return true }); err != nil {
				panic(err)
			}
			t.partitions[partition] = append(t.partitions[partition], r)
		}
	}
	s.notify()
	s.mu.Unlock()

	object := fmt.Sprintf("%s/%s/%d", stream, topic, partition)
	switch {
	case what == cutBefore:
		return c.cutError("send", false)
	case what == cutUnstored, what == cutStored:
		return c.cutError("send", true)
	case what == stallStored, what == stallUnstored:
		select {
		case <-ctx.Done():
			return &iggyerr.ConnError{Op: "send", Addr: "fake", Sent: true, Err: context.Cause(ctx)}
		case <-c.done:
			return &iggyerr.ConnError{Op: "send", Addr: "fake", Sent: true, Err: c.err}
		}
	case what == failUnstored, what == failStored:
		return &iggyerr.StatusError{Op: "send", Object: object, Status: 13000}
	case what == unauthorized:
		return &iggyerr.StatusError{Op: "send", Object: object, Status: iggyerr.StatusUnauthorized}
	case what == notFound:
		return &iggyerr.StatusError{Op: "send", Object: object, Status: iggyerr.StatusPartitionNotFound}
	case missing != 0:
		return &iggyerr.StatusError{Op: "send", Object: object, Status: missing}
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return &iggyerr.ConnError{Op: "send", Addr: "fake", Sent: true, Err: context.Cause(ctx)}
		case <-c.done:
			return &iggyerr.ConnError{Op: "send", Addr: "fake", Sent: true, Err: c.err}
		}
	}
	return nil
}

// settings returns the defaults with change applied, and a batch size that fits into the buffer.
func settings(change func(*config.Producer)) (config.Iggy, config.Producer) {
	cfg := config.Default()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = "iggy", config.NewSecret("iggy")
	if change != nil {
		change(&cfg.Producer)
		cfg.Producer.MaxBatchBytes = min(cfg.Producer.MaxBatchBytes, cfg.Producer.MaxBufferedBytes)
	}
	return cfg.Iggy, cfg.Producer
}

// start starts a producer over s. The test must stop it.
func start(t testing.TB, s *server, change func(*config.Producer), opts ...producer.Option) *producer.Producer {
	t.Helper()
	cluster, cfg := settings(change)
	p, err := producer.New(cluster, cfg, append([]producer.Option{producer.WithDialer(s)}, opts...)...)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	return p
}

func message(key, payload string) producer.Message {
	return producer.Message{Stream: "s", Topic: "t", Key: key, Payload: []byte(payload)}
}

// run runs test in a synctest bubble, with a started producer over a fake server that has a topic
// "t" of four partitions. It stops the producer afterwards.
func run(t *testing.T, change func(*config.Producer), test func(t *testing.T, s *server, p *producer.Producer), opts ...producer.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.partitions("t", 4)
		p := start(t, s, change, opts...)
		defer func() { _ = p.Stop(context.Background()) }()
		test(t, s, p)
	})
}

// outcomes collects results.
type outcomes chan producer.Result

func (o outcomes) wait(t *testing.T, n int) (list []producer.Result) {
	t.Helper()
	for range n {
		select {
		case r := <-o:
			list = append(list, r)
		case <-time.After(10 * time.Minute):
			require.FailNow(t, "a message without an outcome")
		}
	}
	return list
}

// errOf returns the error of a call that returns a result as well.
func errOf(_ producer.Result, err error) error { return err }

// discard is a server that confirms every batch and stores nothing.
type discard struct{ *server }

func (d discard) Dial(ctx context.Context, address string, config *tls.Config) (transport.Conn, error) {
	c, err := d.server.Dial(ctx, address, config)
	return discardConn{c}, err
}

type discardConn struct{ transport.Conn }

func (discardConn) Send(context.Context, string, string, uint32, *wire.Batch) error { return nil }
