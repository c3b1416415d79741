package group_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// ledger is what was handled, by all consumers of a test.
type ledger struct {
	mu      sync.Mutex
	times   map[place]int
	again   int
	working map[uint32]map[*fakeConsumer]int
	overlap int
}

type place struct {
	partition uint32
	offset    uint64
}

func newLedger() *ledger {
	return &ledger{times: map[place]int{}, working: map[uint32]map[*fakeConsumer]int{}}
}

func (l *ledger) begin(c *fakeConsumer, id uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	on := l.working[id]
	if on == nil {
		on = map[*fakeConsumer]int{}
		l.working[id] = on
	}
	for other, n := range on {
		if other != c && n > 0 {
			l.overlap++
		}
	}
	on[c]++
}

func (l *ledger) end(c *fakeConsumer, at place, handled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working[at.partition][c]--
	if handled {
		if l.times[at]++; l.times[at] > 1 {
			l.again++
		}
	}
}

func (l *ledger) distinct() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.times)
}

func (l *ledger) repeated() (again, overlap int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.again, l.overlap
}

// fakeConsumer is the side of a consumer that fetches, delivers and commits: one message of a
// partition after another, each for a while.
type fakeConsumer struct {
	name    string
	server  *fakeServer
	ledger  *ledger
	machine *group.Machine
	work    time.Duration
	idle    time.Duration // between polls that bring nothing
	alone   bool          // standalone
	// holdAt, if set, says which messages are not done before their contexts end.
	holdAt func(at place) bool
	// verify, if set, stands in for the verification.
	verify func(ids []uint32) ([]group.Finding, error)
	// take, if set, is asked before partitions are taken.
	take func(claims []group.Claim) error

	mu     sync.Mutex
	over   bool      // it was stopped
	conn   *fakeConn // present session
	parts  map[uint32]*fakePart
	paused map[uint32]bool
	events []string
	claims []group.Claim
	all    sync.WaitGroup
	away   chan struct{} // closed when the server may be connected to; nil: it may
}

// fakePart is one assignment.
type fakePart struct {
	c       *fakeConsumer
	id      uint32
	epoch   uint64
	session group.Session
	ctx     context.Context
	cancel  context.CancelCauseFunc
	kick    chan struct{}
	life    context.Context // ends with the assignment
	end     context.CancelFunc

	// The rest is guarded by the consumer's lock.
	started, draining, paused, busy bool
	doubtful                        bool
	position, polled                uint64
	acked                           uint64 // the offset after the acknowledged prefix
	stored                          uint64 // and after the stored one
	inFlight                        int
	delivered                       bool
	commit                          chan struct{}
}

func (c *fakeConsumer) who() transport.Consumer {
	if c.alone {
		return transport.Consumer{Stream: "s", Topic: "t", Name: "reader"}
	}
	return transport.Consumer{Stream: "s", Topic: "t", Name: mainGroup, Group: true}
}

// sessions connects.
func (c *fakeConsumer) sessions(ctx context.Context) (group.Session, error) {
	c.mu.Lock()
	away := c.away
	c.mu.Unlock()
	if away != nil {
		select {
		case <-away:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn := c.server.connect(c.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	return conn, nil
}

func (c *fakeConsumer) dial(ctx context.Context) (group.Connection, error) {
	select {
	case <-time.After(latency):
		return c.server.connect(c.name + " transient"), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cut ends the present connection.
func (c *fakeConsumer) cut() {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.cut()
	}
}

func (c *fakeConsumer) Prepare(ctx context.Context, s group.Session, claims []group.Claim) (ids []uint32, err error) {
	c.mu.Lock()
	c.claims = append(c.claims, claims...)
	take := c.take
	c.mu.Unlock()
	if take != nil {
		if err := take(claims); err != nil {
			return nil, err
		}
	}
	for _, claim := range claims {
		next, err := c.place(ctx, s, claim.Partition)
		if err != nil {
			return ids, err
		}
		c.prepare(s, claim, next)
		ids = append(ids, claim.Partition)
	}
	return ids, nil
}

// place is the offset after the stored one.
func (c *fakeConsumer) place(ctx context.Context, s group.Session, id uint32) (next uint64, err error) {
	err = s.Do(ctx, func(ctx context.Context, conn transport.Conn) error {
		stored, err := conn.Offset(ctx, c.who(), id)
		if stored.Stored {
			next = stored.Offset + 1
		}
		return err
	})
	return next, err
}

func (c *fakeConsumer) prepare(s group.Session, claim group.Claim, next uint64) {
	p := &fakePart{
		c: c, id: claim.Partition, epoch: claim.Epoch, session: s, kick: make(chan struct{}, 1),
		position: next, acked: next, stored: next, paused: claim.Paused, commit: make(chan struct{}, 1),
	}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.life, p.end = context.WithCancel(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parts[p.id] != nil {
		panic(fmt.Sprintf("%s has partition %d already", c.name, p.id))
	}
	c.parts[p.id] = p
}

func (c *fakeConsumer) Start(ids ...uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if p := c.parts[id]; p != nil {
			p.draining = false
			if !p.started {
				p.started = true
				c.all.Go(p.run)
			}
			p.stir()
		}
	}
}

func (c *fakeConsumer) Drain(ids ...uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if p := c.parts[id]; p != nil {
			p.draining = true
			p.stir()
		}
	}
}

func (c *fakeConsumer) Pause(id uint32, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.parts[id]; p != nil {
		p.paused = on
		p.stir()
	}
}

func (c *fakeConsumer) Interrupt(id uint32, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.parts[id]; p != nil {
		p.cancel(cause)
	}
}

func (c *fakeConsumer) End(id uint32, cause error) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parts[id]
	if p == nil {
		return 0
	}
	delete(c.parts, id)
	p.cancel(cause)
	p.end()
	return p.inFlight
}

func (c *fakeConsumer) Summary(id uint32) (group.Summary, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parts[id]
	if p == nil {
		return group.Summary{}, false
	}
	return group.Summary{
		Acknowledged: p.acked > 0, Prefix: p.acked - 1, Polled: p.polled, Delivered: p.delivered, Fetched: p.inFlight > 0,
		Unfinished: p.inFlight, Uncommitted: int(p.acked - p.stored), Drained: !p.started || p.draining && !p.busy,
	}, true
}

func (c *fakeConsumer) Commit(ctx context.Context, id uint32) error {
	c.mu.Lock()
	p := c.parts[id]
	c.mu.Unlock()
	if p == nil {
		return nil
	}
	time.Sleep(latency / 4)
	return p.store(ctx)
}

func (c *fakeConsumer) CommitAgain(ctx context.Context, id uint32) error {
	c.mu.Lock()
	p := c.parts[id]
	c.mu.Unlock()
	if p == nil {
		return nil
	}
	select {
	case p.commit <- struct{}{}:
		defer func() { <-p.commit }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.mu.Lock()
	acked := p.acked
	c.mu.Unlock()
	err := p.session.Do(ctx, func(ctx context.Context, conn transport.Conn) error {
		return conn.StoreOffset(ctx, c.who(), id, acked-1)
	})
	if err == nil {
		c.mu.Lock()
		p.stored = acked
		c.mu.Unlock()
	}
	return err
}

// store commits what is acknowledged.
func (p *fakePart) store(ctx context.Context) error {
	select {
	case p.commit <- struct{}{}:
		defer func() { <-p.commit }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.c.mu.Lock()
	acked, stored := p.acked, p.stored
	p.c.mu.Unlock()
	if acked == stored {
		return nil
	}
	err := p.session.Do(ctx, func(ctx context.Context, conn transport.Conn) error {
		now, err := conn.Offset(ctx, p.c.who(), p.id)
		if err != nil {
			return err
		}
		if next := now.Offset + 1; now.Stored && next != stored || !now.Stored && stored != 0 {
			return &group.ResetError{Stored: now.Stored, Offset: now.Offset}
		}
		return conn.StoreOffset(ctx, p.c.who(), p.id, acked-1)
	})
	var moved *group.ResetError
	switch {
	case err == nil:
		p.c.mu.Lock()
		p.stored = acked
		p.c.mu.Unlock()
	case errors.As(err, &moved):
		p.doubt()
	default:
		var status *iggyerr.StatusError
		if errors.As(err, &status) {
			p.c.machine.Refused(p.id, p.epoch, err)
		}
	}
	return err
}

// doubt has the partition verified before anything else is fetched.
func (p *fakePart) doubt() {
	p.c.mu.Lock()
	p.doubtful = true
	p.c.mu.Unlock()
	p.c.machine.NeedsVerify(p.id)
}

func (c *fakeConsumer) Verify(ctx context.Context, s group.Session, ids []uint32) (findings []group.Finding, err error) {
	c.mu.Lock()
	verify := c.verify
	c.mu.Unlock()
	if verify != nil {
		return verify(ids)
	}
	for _, id := range ids {
		c.mu.Lock()
		p := c.parts[id]
		c.mu.Unlock()
		if p == nil {
			continue
		}
		select {
		case p.commit <- struct{}{}:
		case <-ctx.Done():
			return findings, context.Cause(ctx)
		}
		next, err := c.place(ctx, s, id)
		c.mu.Lock()
		moved := next != p.stored
		p.doubtful = p.doubtful && (moved || err != nil)
		p.stir()
		c.mu.Unlock()
		<-p.commit
		if err != nil {
			return findings, err
		}
		if moved {
			findings = append(findings, group.Finding{Partition: id, Cause: errors.New("the offset was reset")})
		}
	}
	return findings, nil
}

func (p *fakePart) stir() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// run fetches and delivers until the assignment ends.
func (p *fakePart) run() {
	for p.life.Err() == nil {
		if !p.set(true) {
			p.c.machine.Drained()
			select {
			case <-p.kick:
			case <-p.life.Done():
			}
			continue
		}
		pause := p.fetch()
		p.set(false)
		p.c.machine.Drained()
		if pause {
			timer := time.NewTimer(p.c.idle)
			select {
			case <-timer.C:
			case <-p.kick:
			case <-p.life.Done():
			}
			timer.Stop()
		}
	}
}

// set notes that the partition is worked on, if it may be.
func (p *fakePart) set(busy bool) bool {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.busy = busy && !p.draining && !p.paused && !p.doubtful && p.ctx.Err() == nil
	return p.busy
}

// fetch polls and delivers, and tells whether there was nothing.
func (p *fakePart) fetch() (nothing bool) {
	var polled *transport.Polled
	err := p.session.Do(p.life, func(ctx context.Context, conn transport.Conn) (err error) {
		polled, err = conn.Poll(ctx, transport.Poll{
			Consumer: p.c.who(), Partition: int64(p.id), Count: 5,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: p.position},
		})
		return err
	})
	if err != nil {
		var status *iggyerr.StatusError
		if errors.As(err, &status) {
			p.c.machine.Refused(p.id, p.epoch, err)
		}
		return true
	}
	if polled.Partition != p.id {
		p.doubt() // perhaps it is another member's
		return true
	}
	for _, m := range polled.Messages {
		p.c.mu.Lock()
		p.polled = m.Offset + 1
		p.c.mu.Unlock()
	}
	for _, m := range polled.Messages {
		if !p.deliver(m.Offset) {
			break
		}
	}
	_ = p.store(p.life)
	return len(polled.Messages) == 0
}

// deliver handles one message, and tells whether the next one may follow.
func (p *fakePart) deliver(offset uint64) bool {
	c := p.c
	c.mu.Lock()
	stop := p.draining || p.ctx.Err() != nil || p.doubtful
	if !stop {
		p.inFlight, p.delivered = 1, true
	}
	hold := c.holdAt
	c.mu.Unlock()
	if stop {
		return false
	}
	at := place{p.id, offset}
	c.ledger.begin(c, p.id)
	work := time.NewTimer(c.work)
	defer work.Stop()
	wait := work.C
	if hold != nil && hold(at) {
		wait = nil
	}
	handled := false
	select {
	case <-wait:
		handled = true
	case <-p.ctx.Done():
	}
	c.mu.Lock()
	handled = handled && p.life.Err() == nil
	if handled {
		p.inFlight, p.acked, p.position = 0, offset+1, offset+1
	}
	c.mu.Unlock()
	c.ledger.end(c, at, handled)
	return handled
}

// note adds an event for the hooks.
func (c *fakeConsumer) note(what string, ids []uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, fmt.Sprint(what, ids))
}

func (c *fakeConsumer) Joined(group.Session)  { c.note("joined", nil) }
func (c *fakeConsumer) Left(group.Session)    { c.note("left", nil) }
func (c *fakeConsumer) Assigned(ids []uint32) { c.note("assigned", ids) }
func (c *fakeConsumer) Revoked(ids []uint32)  { c.note("revoked", ids) }
func (c *fakeConsumer) Lost(ids []uint32)     { c.note("lost", ids) }

func (c *fakeConsumer) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// owned are the ids of the partitions that are assigned here.
func (c *fakeConsumer) owned() (ids []uint32) {
	for _, p := range c.machine.Status().Partitions {
		if p.Assigned() {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// seek sets a partition to the offset after the stored one.
func (c *fakeConsumer) seek(ctx context.Context, id uint32) error {
	return c.machine.Seek(ctx, id, func(ctx context.Context, s group.Session, claim group.Claim) error {
		next, err := c.place(ctx, s, id)
		if err != nil {
			return err
		}
		c.End(id, errors.New("set to another place"))
		c.prepare(s, claim, next)
		return nil
	})
}
