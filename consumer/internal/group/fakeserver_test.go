package group_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

const (
	mainGroup         = "g"
	coordinationGroup = "g.balance"
	latency           = 400 * time.Microsecond
	requestTimeout    = 2 * time.Second
	handOverTimeout   = 30 * time.Second
)

// fakeServer is a server's consumer groups as they were measured: a member that joins gets one
// partition, at the commit that covers what its owner polled; a leave assigns all anew.
type fakeServer struct {
	mu     sync.Mutex
	ends   []uint64 // of the partitions' logs
	stored map[uint32]uint64
	groups map[string]*fakeGroup
	conns  []*fakeConn
	calls  map[string]int
	// fault, if set, is asked before each request: an error is its answer.
	fault func(c *fakeConn, op string) error
}

type fakeGroup struct {
	members []*fakeMember // by slot; nil where one has left
	polled  map[uint32]uint64
}

type fakeMember struct {
	conn       *fakeConn
	partitions []uint32
	moves      []fakeMove
	next       int
}

type fakeMove struct {
	partition uint32
	to        *fakeMember
	since     time.Time
}

func newFakeServer(partitions int) *fakeServer {
	f := &fakeServer{ends: make([]uint64, partitions), stored: map[uint32]uint64{}, groups: map[string]*fakeGroup{}, calls: map[string]int{}}
	f.createGroup(mainGroup)
	f.createGroup(coordinationGroup)
	return f
}

func (f *fakeServer) createGroup(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[name] = &fakeGroup{polled: map[uint32]uint64{}}
}

// deleteGroup also ends the memberships in it.
func (f *fakeServer) deleteGroup(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.groups, name)
}

// append adds messages to each partition.
func (f *fakeServer) append(each uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.ends {
		f.ends[i] += each
	}
}

// sizes are the numbers of partitions of a group's members, smallest first.
func (f *fakeServer) sizes(group string) (sizes []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.groups[group]; g != nil {
		for _, m := range g.all() {
			sizes = append(sizes, len(m.partitions))
		}
	}
	slices.Sort(sizes)
	return sizes
}

func (f *fakeServer) calledTimes(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *fakeServer) setFault(fault func(c *fakeConn, op string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *fakeServer) setStored(id uint32, offset uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored[id] = offset
}

func (f *fakeServer) storedOffset(id uint32) (uint64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	offset, ok := f.stored[id]
	return offset, ok
}

// connect opens a connection.
func (f *fakeServer) connect(name string) *fakeConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &fakeConn{server: f, name: name, done: make(chan struct{}), generation: uint64(len(f.conns) + 1)}
	f.conns = append(f.conns, c)
	return c
}

func (g *fakeGroup) all() (all []*fakeMember) {
	for _, m := range g.members {
		if m != nil {
			all = append(all, m)
		}
	}
	return all
}

func (g *fakeGroup) find(c *fakeConn) *fakeMember {
	for _, m := range g.all() {
		if m.conn == c {
			return m
		}
	}
	return nil
}

// assign gives partition i to the member at position i mod n.
func (g *fakeGroup) assign(partitions int) {
	all := g.all()
	for _, m := range all {
		m.partitions, m.moves = nil, nil
	}
	for i := range partitions {
		if len(all) > 0 {
			m := all[i%len(all)]
			m.partitions = append(m.partitions, uint32(i))
		}
	}
}

func (g *fakeGroup) join(c *fakeConn, partitions int) {
	if g.find(c) != nil {
		return
	}
	m := &fakeMember{conn: c}
	if i := slices.Index(g.members, nil); i >= 0 {
		g.members[i] = m
	} else {
		g.members = append(g.members, m)
	}
	if len(g.all()) == 1 {
		g.assign(partitions)
		return
	}
	var largest *fakeMember
	for _, one := range g.all() {
		if largest == nil || len(one.partitions)-len(one.moves) > len(largest.partitions)-len(largest.moves) {
			largest = one
		}
	}
	if len(largest.partitions)-len(largest.moves) < 2 {
		return
	}
	for _, id := range slices.Backward(largest.partitions) {
		if !largest.moving(id) {
			largest.moves = append(largest.moves, fakeMove{id, m, time.Now()})
			return
		}
	}
}

func (m *fakeMember) moving(id uint32) bool {
	return slices.ContainsFunc(m.moves, func(v fakeMove) bool { return v.partition == id })
}

// settle moves what was waited for too long and, at a join or a commit, what is committed.
func (g *fakeGroup) settle(stored map[uint32]uint64, committed bool) {
	for _, m := range g.all() {
		m.moves = slices.DeleteFunc(m.moves, func(v fakeMove) bool {
			polled, some := g.polled[v.partition]
			offset, ok := stored[v.partition]
			if (!committed || some && (!ok || offset+1 < polled)) && time.Since(v.since) < handOverTimeout {
				return false
			}
			m.partitions = slices.DeleteFunc(m.partitions, func(id uint32) bool { return id == v.partition })
			v.to.partitions = append(v.to.partitions, v.partition)
			delete(g.polled, v.partition)
			return true
		})
	}
}

func (g *fakeGroup) leave(c *fakeConn, partitions int) bool {
	m := g.find(c)
	if m == nil {
		return false
	}
	for _, id := range m.partitions {
		delete(g.polled, id)
	}
	g.members[slices.Index(g.members, m)] = nil
	g.assign(partitions)
	return true
}

// fakeConn is a connection: a session, and a connection of the transient member.
type fakeConn struct {
	transport.Conn // for what no machine asks
	server         *fakeServer
	name           string
	generation     uint64
	once           sync.Once
	done           chan struct{}
}

func (c *fakeConn) Generation() uint64    { return c.generation }
func (c *fakeConn) Done() <-chan struct{} { return c.done }

func (c *fakeConn) Err() error {
	select {
	case <-c.done:
		return errCut
	default:
		return nil
	}
}

var errCut = errors.New("the connection was cut")

// cut ends the connection, and the server forgets its memberships.
func (c *fakeConn) cut() {
	c.once.Do(func() { close(c.done) })
	f := c.server
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		g.leave(c, len(f.ends))
	}
}

func (c *fakeConn) Stop(context.Context) error {
	c.cut()
	return nil
}

func (c *fakeConn) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	if ctx.Err() != nil {
		return &iggyerr.ConnError{Op: "request", Err: context.Cause(ctx)}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := fn(ctx, c)
	if errors.Is(err, context.DeadlineExceeded) {
		c.cut() // it does not answer
	}
	return err
}

// wait is half of the way to the server or back.
func (c *fakeConn) wait(ctx context.Context) error {
	timer := time.NewTimer(latency / 2)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &iggyerr.ConnError{Op: "request", Sent: true, Err: context.Cause(ctx)}
	case <-c.done:
		return &iggyerr.ConnError{Op: "request", Sent: true, Err: errCut}
	}
}

// errHang as the answer of a fault makes the server never answer.
var errHang = errors.New("no answer")

// request has effect take place on the server.
func (c *fakeConn) request(ctx context.Context, op string, effect func(f *fakeServer) error) error {
	if err := c.wait(ctx); err != nil {
		return err
	}
	err := func() error {
		f := c.server
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls[op]++
		if f.fault != nil {
			if err := f.fault(c, op); err != nil {
				return err
			}
		}
		for _, g := range f.groups {
			g.settle(f.stored, false)
		}
		return effect(f)
	}()
	if errors.Is(err, errHang) {
		select {
		case <-ctx.Done():
			return &iggyerr.ConnError{Op: op, Sent: true, Err: context.Cause(ctx)}
		case <-c.done:
			return &iggyerr.ConnError{Op: op, Sent: true, Err: errCut}
		}
	}
	if waited := c.wait(ctx); waited != nil {
		return waited
	}
	return err
}

func refuse(op string, s iggyerr.Status) error { return &iggyerr.StatusError{Op: op, Status: s} }

func (c *fakeConn) Join(ctx context.Context, g transport.Group) error {
	return c.request(ctx, "join "+g.Name, func(f *fakeServer) error {
		group := f.groups[g.Name]
		if group == nil {
			return refuse("join", iggyerr.StatusGroupNotFound)
		}
		group.join(c, len(f.ends))
		group.settle(f.stored, true)
		return nil
	})
}

func (c *fakeConn) Leave(ctx context.Context, g transport.Group) error {
	return c.request(ctx, "leave "+g.Name, func(f *fakeServer) error {
		group := f.groups[g.Name]
		switch {
		case group == nil:
			return refuse("leave", iggyerr.StatusGroupNotFound)
		case !group.leave(c, len(f.ends)):
			return refuse("leave", iggyerr.StatusNotMember)
		}
		return nil
	})
}

func (c *fakeConn) Members(ctx context.Context, g transport.Group) (members transport.Members, err error) {
	err = c.request(ctx, "members "+g.Name, func(f *fakeServer) error {
		group := f.groups[g.Name]
		if group == nil {
			return refuse("members", iggyerr.StatusGroupNotFound)
		}
		for _, m := range group.all() {
			members.Partitions = append(members.Partitions, slices.Clone(m.partitions))
		}
		return nil
	})
	return members, err
}

func (c *fakeConn) Topic(ctx context.Context, _, _ string) (meta transport.Topic, err error) {
	err = c.request(ctx, "topic", func(f *fakeServer) error {
		for id, end := range f.ends {
			meta.Partitions = append(meta.Partitions, transport.Partition{ID: uint32(id), Messages: end, CurrentOffset: max(end, 1) - 1})
		}
		return nil
	})
	return meta, err
}

func (c *fakeConn) Poll(ctx context.Context, p transport.Poll) (*transport.Polled, error) {
	polled := &transport.Polled{}
	err := c.request(ctx, "poll", func(f *fakeServer) error {
		id, group, err := c.polls(f, p)
		if err != nil || id < 0 {
			return err
		}
		end := f.ends[id]
		polled.Partition, polled.CurrentOffset = uint32(id), max(end, 1)-1
		for at := p.Strategy.Value; at < end && len(polled.Messages) < int(p.Count); at++ {
			polled.Messages = append(polled.Messages, wire.Message{Offset: at, Timestamp: at + 1})
		}
		if n := len(polled.Messages); n > 0 && group != nil {
			group.polled[uint32(id)] = polled.Messages[n-1].Offset + 1
		}
		return nil
	})
	return polled, err
}

// polls gives the partition that a poll is answered from; -1 when there is none.
func (c *fakeConn) polls(f *fakeServer, p transport.Poll) (int, *fakeGroup, error) {
	if !p.Consumer.Group {
		if p.Partition >= int64(len(f.ends)) {
			return -1, nil, refuse("poll", iggyerr.StatusPartitionNotFound)
		}
		return int(p.Partition), nil, nil
	}
	group := f.groups[p.Consumer.Name]
	if group == nil {
		return -1, nil, refuse("poll", iggyerr.StatusGroupNotFound)
	}
	m := group.find(c)
	if m == nil {
		return -1, nil, refuse("poll", iggyerr.StatusNotMember)
	}
	if p.Partition != transport.AnyPartition {
		if !slices.Contains(m.partitions, uint32(p.Partition)) {
			return -1, nil, nil
		}
		return int(p.Partition), group, nil
	}
	for range m.partitions {
		id := m.partitions[m.next%len(m.partitions)]
		m.next++
		if !m.moving(id) {
			return int(id), group, nil
		}
	}
	return -1, nil, nil
}

func (c *fakeConn) StoreOffset(ctx context.Context, who transport.Consumer, id uint32, offset uint64) error {
	op := "store"
	if offset >= 1<<61 {
		op = "owns"
	}
	return c.request(ctx, op, func(f *fakeServer) error {
		group := f.groups[who.Name]
		if who.Group {
			switch m := c.memberOf(group); {
			case group == nil:
				return refuse("store", iggyerr.StatusGroupNotFound)
			case m == nil:
				return refuse("store", iggyerr.StatusNotMember)
			case !slices.Contains(m.partitions, id):
				return refuse("store", iggyerr.StatusNotOwner)
			}
		}
		if offset >= f.ends[id] {
			return refuse("store", iggyerr.StatusInvalidOffset)
		}
		f.stored[id] = offset
		if group != nil {
			group.settle(f.stored, true)
		}
		return nil
	})
}

func (c *fakeConn) memberOf(g *fakeGroup) *fakeMember {
	if g == nil {
		return nil
	}
	return g.find(c)
}

func (c *fakeConn) Offset(ctx context.Context, _ transport.Consumer, id uint32) (offset transport.Offset, err error) {
	err = c.request(ctx, "offset", func(f *fakeServer) error {
		offset.Offset, offset.Stored = f.stored[id], false
		if _, ok := f.stored[id]; ok {
			offset.Stored = true
		}
		return nil
	})
	return offset, err
}

// loseGroup forgets all members of a group.
func (f *fakeServer) loseGroup(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[name].members = nil
	clear(f.groups[name].polled)
}
