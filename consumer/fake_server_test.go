package consumer_test

import (
	"context"
	"crypto/tls"
	"maps"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// fakeServer is a dialer to a server without sockets, for tests that need
// time to be the bubble's: one topic, one group, and whoever joins it owns
// all partitions.
type fakeServer struct {
	mu         sync.Mutex
	partitions [][]wire.Message
	stored     map[uint32]uint64
	commits    []time.Time
	calls      map[string]int
	noTopic    bool            // reading the topic is not permitted
	hidden     int             // messages at the end of each log that its metadata does not show
	unreadable map[uint64]bool // offsets that polls by offset must not come to
	garbled    bool            // so is what is answered by time
	empty      bool            // polls return no messages
	member     bool
	conns      []*fakeConn
}

func newFakeServer(partitions int) *fakeServer {
	return &fakeServer{partitions: make([][]wire.Message, partitions), stored: map[uint32]uint64{}, calls: map[string]int{}}
}

func (f *fakeServer) append(partition int, texts ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range texts {
		log := f.partitions[partition]
		f.partitions[partition] = append(log, wire.Message{
			Offset: uint64(len(log)), Timestamp: uint64(time.Now().UnixMicro()), Payload: []byte(text),
		})
	}
}

func (f *fakeServer) counted(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *fakeServer) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, k := range f.calls {
		n += k
	}
	return n
}

func (f *fakeServer) committed() (map[uint32]uint64, []time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stored := map[uint32]uint64{}
	maps.Copy(stored, f.stored)
	return stored, append([]time.Time(nil), f.commits...)
}

func (f *fakeServer) Dial(context.Context, string, *tls.Config) (transport.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &fakeConn{server: f, done: make(chan struct{})}
	f.conns = append(f.conns, c)
	return c, nil
}

// crash ends all connections, and what the server has is what change makes of it.
func (f *fakeServer) crash(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.member = false
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
	change()
}

type fakeConn struct {
	transport.Conn
	server *fakeServer
	once   sync.Once
	done   chan struct{}
	turn   int
}

func (c *fakeConn) begin(op string) func() {
	c.server.mu.Lock()
	c.server.calls[op]++
	return c.server.mu.Unlock
}

func (c *fakeConn) Login(context.Context, transport.Credentials) error { return nil }

func (c *fakeConn) Done() <-chan struct{} { return c.done }

func (c *fakeConn) Ping(context.Context) error {
	defer c.begin("ping")()
	return nil
}

func (c *fakeConn) Err() error {
	select {
	case <-c.done:
		return iggyerr.ErrClosed
	default:
		return nil
	}
}

func (c *fakeConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

func (c *fakeConn) Topic(context.Context, string, string) (transport.Topic, error) {
	defer c.begin("topic")()
	if c.server.noTopic {
		return transport.Topic{}, &iggyerr.StatusError{Op: "read topic", Status: iggyerr.StatusUnauthorized}
	}
	var meta transport.Topic
	for id, log := range c.server.partitions {
		log = log[:max(0, len(log)-c.server.hidden)]
		meta.Partitions = append(meta.Partitions, transport.Partition{
			ID: uint32(id), Messages: uint64(len(log)), CurrentOffset: uint64(max(len(log), 1) - 1),
		})
	}
	return meta, nil
}

func (c *fakeConn) Poll(_ context.Context, p transport.Poll) (*transport.Polled, error) {
	defer c.begin("poll")()
	if p.Consumer.Group && !c.server.member {
		return nil, &iggyerr.StatusError{Op: "poll", Status: iggyerr.StatusNotMember}
	}
	id := p.Partition
	if id == transport.AnyPartition {
		id = int64(c.turn)
		c.turn = (c.turn + 1) % len(c.server.partitions)
	}
	log := c.server.partitions[id]
	polled := &transport.Polled{Partition: uint32(id), CurrentOffset: uint64(max(len(log), 1) - 1)}
	at := p.Strategy.Value
	if p.Strategy.Kind == transport.FromTimestamp && c.server.garbled {
		_ = c.Close()
		return nil, &iggyerr.ConnError{Op: "poll", Sent: true, Err: transport.ErrUndecodable}
	}
	if p.Strategy.Kind == transport.FromTimestamp {
		at = 0
		for at < uint64(len(log)) && log[at].Timestamp < p.Strategy.Value {
			at++
		}
	}
	if at < uint64(len(log)) && !c.server.empty {
		polled.Messages = log[at:min(uint64(len(log)), at+uint64(p.Count))]
		for _, m := range polled.Messages {
			if p.Strategy.Kind == transport.FromOffset && c.server.unreadable[m.Offset] {
				return nil, &iggyerr.StatusError{Op: "poll", Status: iggyerr.StatusInvalidOffset}
			}
		}
	}
	return polled, nil
}

func (c *fakeConn) StoreOffset(_ context.Context, _ transport.Consumer, partition uint32, offset uint64) error {
	defer c.begin("store")()
	if offset >= uint64(len(c.server.partitions[partition])) {
		return &iggyerr.StatusError{Op: "store offset", Status: iggyerr.StatusInvalidOffset}
	}
	c.server.stored[partition] = offset
	c.server.commits = append(c.server.commits, time.Now())
	return nil
}

func (c *fakeConn) DeleteOffset(_ context.Context, _ transport.Consumer, partition uint32) error {
	defer c.begin("delete")()
	if _, ok := c.server.stored[partition]; !ok {
		return &iggyerr.StatusError{Op: "delete offset", Status: iggyerr.StatusOffsetNotStored}
	}
	delete(c.server.stored, partition)
	return nil
}

func (c *fakeConn) Offset(_ context.Context, _ transport.Consumer, partition uint32) (transport.Offset, error) {
	defer c.begin("offset")()
	offset, ok := c.server.stored[partition]
	return transport.Offset{Stored: ok, Offset: offset}, nil
}

func (c *fakeConn) Join(context.Context, transport.Group) error {
	defer c.begin("join")()
	if err := c.Err(); err != nil { // nobody answers any more
		return &iggyerr.ConnError{Op: "join", Err: err}
	}
	c.server.member = true
	return nil
}

func (c *fakeConn) Leave(context.Context, transport.Group) error {
	defer c.begin("leave")()
	c.server.member = false
	return nil
}

func (c *fakeConn) Members(_ context.Context, g transport.Group) (transport.Members, error) {
	defer c.begin("members")()
	if g.Name != "g" || !c.server.member {
		return transport.Members{}, nil
	}
	var all []uint32
	for id := range c.server.partitions {
		all = append(all, uint32(id))
	}
	return transport.Members{Partitions: [][]uint32{all}}, nil
}
