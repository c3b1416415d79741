package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// fakeSession is a session with a fake server whose requests take a while.
type fakeSession struct {
	conn transport.Conn
	rand *lockedRand
}

func (s fakeSession) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	time.Sleep(time.Duration(s.rand.n(2000)) * time.Microsecond) // on the way
	err := fn(ctx, s.conn)
	time.Sleep(time.Duration(s.rand.n(2000)) * time.Microsecond)
	return err
}

func (fakeSession) Done() <-chan struct{} { return nil }
func (fakeSession) Err() error            { return nil }
func (fakeSession) Generation() uint64    { return 1 }

// lockedRand is a source of random numbers for several goroutines.
type lockedRand struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func (r *lockedRand) n(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rand.IntN(n)
}

// troubledConn refuses some polls, cuts some answers off, and reuses their memory.
type troubledConn struct {
	*fakeConn
	rand *lockedRand
}

func (c troubledConn) Poll(ctx context.Context, p transport.Poll) (*transport.Polled, error) {
	switch c.rand.n(40) {
	case 0:
		return nil, &iggyerr.StatusError{Op: "poll", Status: iggyerr.StatusUnauthorized}
	case 1:
		return nil, &iggyerr.ConnError{Op: "poll", Sent: true, Err: errors.New("no answer")}
	}
	polled, err := c.fakeConn.Poll(ctx, p)
	if err != nil || len(polled.Messages) == 0 {
		return polled, err
	}
	if c.rand.n(5) == 0 {
		n := 1 + c.rand.n(len(polled.Messages))
		polled.Truncated = n < len(polled.Messages)
		polled.Messages = polled.Messages[:n]
	}
	polled.Messages = slices.Clone(polled.Messages)
	for i := range polled.Messages {
		polled.Messages[i].Payload = slices.Clone(polled.Messages[i].Payload)
	}
	payloads := polled.Messages
	polled.Recycle = func() {
		for i := range payloads {
			clear(payloads[i].Payload)
		}
	}
	return polled, nil
}

// assignmentTest assigns the partitions of a consumer, drains them and takes them away, in every
// order in which its group may.
type assignmentTest struct {
	t           *testing.T
	rand        *lockedRand
	server      *fakeServer
	session     fakeSession
	assignments *consumer.Assignments
	violations  violations
	delivering  bool
	taking      bool
	epoch       uint64
	partitions  []*assignedPartition
	answers     chan func() // of requests, for the loop

	mu   sync.Mutex
	done map[string]bool // messages that were handled
}

type assignedPartition struct {
	id    uint32
	state group.PartitionState
	epoch uint64
	busy  bool
}

const (
	testedPartitions = 3
	testedKeys       = 5
)

// handle handles a message at random.
func (s *assignmentTest) handle(ctx context.Context, m *consumer.Message[string]) error {
	if s.rand.n(20) == 0 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(s.rand.n(30)) * time.Millisecond):
		}
	}
	switch s.rand.n(30) {
	case 0:
		return errors.New("failed")
	case 1:
		return consumer.RetryAfter(time.Duration(s.rand.n(50))*time.Millisecond, nil)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[m.Value] = true
	return nil
}

// checkCommits looks whether all messages up to the stored offsets are handled.
func (s *assignmentTest) checkCommits() {
	stored, _ := s.server.committed()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, offset := range stored {
		for i := 0; i <= int(offset); i++ {
			if text := messageText(id, i); !s.done[text] {
				s.violations.add("offset %d of partition %d is stored and %s was not handled", offset, id, text)
				return
			}
		}
	}
}

func messageText(partition uint32, n int) string {
	return fmt.Sprintf("%d-%d/%d", partition, n%testedKeys, n)
}

func (s *assignmentTest) ids(states ...group.PartitionState) (ids []uint32) {
	for _, p := range s.partitions {
		if slices.Contains(states, p.state) {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// request makes a request as the group does: its answer is handled by the loop.
func (s *assignmentTest) request(do func() (answered func())) {
	go func() { s.answers <- do() }()
}

func (s *assignmentTest) start(ids ...uint32) {
	if s.delivering && len(ids) > 0 {
		s.assignments.Start(ids...)
	}
}

// take takes the partitions that wait.
func (s *assignmentTest) take() {
	if s.taking {
		return
	}
	var claims []group.Claim
	for _, p := range s.partitions {
		if p.state != group.PartitionWaiting || p.busy {
			continue
		}
		s.epoch++
		p.state, p.epoch = group.PartitionPreparing, s.epoch
		claims = append(claims, group.Claim{Partition: p.id, Epoch: p.epoch})
	}
	if len(claims) == 0 {
		return
	}
	s.taking = true
	s.request(func() func() {
		prepared, _ := s.assignments.Prepare(context.Background(), s.session, claims) // the others are taken later
		return func() {
			s.taking = false
			var began []uint32
			for _, c := range claims {
				p := s.partitions[c.Partition]
				switch {
				case p.state == group.PartitionPreparing && p.epoch == c.Epoch && slices.Contains(prepared, p.id):
					p.state = group.PartitionActive
					began = append(began, p.id)
				case p.epoch == c.Epoch && p.state == group.PartitionPreparing:
					p.state = group.PartitionWaiting
				default:
					s.assignments.End(c.Partition, consumer.ErrLost)
				}
			}
			s.start(began...)
		}
	})
}

// seek moves a partition back.
func (s *assignmentTest) seek(p *assignedPartition) {
	draining := p.state == group.PartitionDraining
	p.state, p.busy = group.PartitionSeeking, true
	s.epoch++
	epoch, claim := p.epoch, group.Claim{Partition: p.id, Epoch: s.epoch}
	stored, _ := s.server.committed()
	to := s.rand.n(int(stored[p.id]) + 1)
	s.request(func() func() {
		err := s.assignments.Seek(context.Background(), s.session, claim, consumer.Offset(uint64(to)))
		return func() {
			p.busy = false
			if p.state != group.PartitionSeeking || p.epoch != epoch {
				if err == nil {
					s.assignments.End(p.id, consumer.ErrLost)
				}
				return
			}
			_, there := s.assignments.Summary(p.id)
			switch {
			case err == nil:
				p.state, p.epoch = group.PartitionActive, claim.Epoch
				s.start(p.id)
			case there && draining:
				p.state = group.PartitionDraining
				s.assignments.Drain(p.id)
			case there:
				p.state = group.PartitionActive
				s.start(p.id)
			default:
				p.state = group.PartitionWaiting
			}
		}
	})
}

// verify verifies partitions, of which none has changed.
func (s *assignmentTest) verify() {
	asked := map[uint32]uint64{}
	for _, id := range s.ids(group.PartitionActive) {
		asked[id] = s.partitions[id].epoch
	}
	s.request(func() func() {
		findings, _ := s.assignments.Verify(context.Background(), s.session, slices.Collect(maps.Keys(asked)))
		return func() {
			for _, f := range findings {
				if p := s.partitions[f.Partition]; p.epoch == asked[p.id] && p.state == group.PartitionActive {
					s.violations.add("partition %d is said to have changed: %v", p.id, f.Cause)
				}
			}
		}
	})
}

// step does something that the group may do.
func (s *assignmentTest) step() {
	assigned := []group.PartitionState{group.PartitionActive, group.PartitionDraining, group.PartitionSeeking}
	p := s.partitions[s.rand.n(len(s.partitions))]
	switch s.rand.n(12) {
	case 0, 1: // a rebalance begins
		s.delivering = false
		if ids := s.ids(assigned...); len(ids) > 0 {
			s.assignments.Drain(ids...)
		}
	case 2, 3: // and ends
		s.delivering = true
		s.start(s.ids(group.PartitionActive)...)
	case 4: // a partition is about to be moved
		if p.state == group.PartitionActive {
			p.state = group.PartitionDraining
			s.assignments.Drain(p.id)
		}
	case 5, 6: // and stays
		if p.state == group.PartitionDraining {
			p.state = group.PartitionActive
			s.start(p.id)
		}
	case 7: // a partition is lost, and assigned again
		if slices.Contains(assigned, p.state) {
			s.assignments.End(p.id, consumer.ErrLost)
		}
		p.state, p.epoch = group.PartitionWaiting, 0
	case 8:
		paused := s.rand.n(2) == 0
		s.assignments.Pause(p.id, paused)
	case 9:
		if (p.state == group.PartitionActive || p.state == group.PartitionDraining) && !p.busy {
			s.seek(p)
		}
	case 10:
		ids := s.ids(group.PartitionActive, group.PartitionDraining)
		s.request(func() func() {
			for _, id := range ids {
				_ = s.assignments.Commit(context.Background(), id)
			}
			return func() {}
		})
	case 11:
		s.verify()
	}
	s.take()
}

// wait handles the answers that come within some time.
func (s *assignmentTest) wait(d time.Duration) {
	timer := time.After(d)
	for {
		select {
		case answered := <-s.answers:
			answered()
		case <-timer:
			return
		}
	}
}

// run runs the loop for some steps.
func (s *assignmentTest) run(steps int) {
	for range steps {
		s.wait(time.Duration(s.rand.n(5000)) * time.Microsecond)
		s.step()
		s.checkCommits()
	}
}

// settle delivers everything until all is handled.
func (s *assignmentTest) settle(messages int) {
	for range 600 {
		s.take()
		s.delivering = true
		for _, p := range s.partitions {
			if p.state == group.PartitionDraining {
				p.state = group.PartitionActive
			}
			s.assignments.Pause(p.id, false)
		}
		s.start(s.ids(group.PartitionActive)...)
		s.wait(100 * time.Millisecond)
		s.checkCommits()
		s.verify()
		stored, _ := s.server.committed()
		if !slices.ContainsFunc(s.partitions, func(p *assignedPartition) bool { return stored[p.id] != uint64(messages-1) || p.busy }) {
			return
		}
	}
	stored, _ := s.server.committed()
	for _, p := range s.partitions {
		summary, ok := s.assignments.Summary(p.id)
		s.violations.add("partition %d stands still at %d: %v %+v %v", p.id, stored[p.id], p.state, summary, ok)
	}
}

// Whatever the group does with the partitions of a consumer, and whenever: each message is handled,
// in the order of its key, no offset is stored before, and all room is given back.
func TestAssignmentsLoseNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(cfg *config.Consumer){
		"defaults":  func(*config.Consumer) {},
		"few":       func(cfg *config.Consumer) { cfg.MaxInFlight, cfg.Concurrency, cfg.CommitEvery = 1, 1, 1 },
		"few bytes": func(cfg *config.Consumer) { cfg.MaxBufferedBytes, cfg.BatchSize = 1, 7 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range stressSize(20) {
				seed := stressSeed()
				synctest.Test(t, func(t *testing.T) { testAssignments(t, seed, change) })
			}
		})
	}
}

func testAssignments(t *testing.T, seed uint64, change func(*config.Consumer)) {
	const messages = 300
	t.Logf("CONSUMER_SEED=%d", seed)
	random := &lockedRand{rand: rand.New(rand.NewPCG(seed, 0))}
	server := newFakeServer(testedPartitions)
	server.member = true
	for id := range uint32(testedPartitions) {
		for n := range messages {
			server.append(int(id), messageText(id, n))
		}
	}
	cluster := config.Default().Iggy
	cluster.ClientID, cluster.ClientSecret = "iggy", config.NewSecret("iggy")
	cfg := config.DefaultConsumer("g")
	cfg.BatchSize, cfg.CommitInterval, cfg.Retry.MaxDeliveries = 20, 20*time.Millisecond, -1
	cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff = 5*time.Millisecond, 50*time.Millisecond
	change(&cfg)
	c, err := consumer.New(cluster, cfg, texts("s", "t"), consumer.WithDialer(server), consumer.WithLogger(logger(t)))
	require.NoError(t, err)
	s := &assignmentTest{
		t: t, rand: random, server: server, answers: make(chan func()), delivering: true,
		done: map[string]bool{},
	}
	for id := range uint32(testedPartitions) {
		s.partitions = append(s.partitions, &assignedPartition{id: id, state: group.PartitionWaiting})
	}
	conn, err := server.Dial(t.Context(), "", nil)
	require.NoError(t, err)
	s.session = fakeSession{troubledConn{conn.(*fakeConn), random}, random}
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if want := messageText(m.Partition(), int(m.Offset())); m.Value != want {
			s.violations.add("%q was handled for %s", m.Value, want)
		}
		err := s.handle(ctx, m)
		if err == nil {
			s.order(m)
		}
		return err
	}))
	s.assignments = consumer.NewAssignments(c)
	s.assignments.Joined(s.session)
	stopCommits := s.assignments.RunCommits()
	s.run(150)
	s.settle(messages)
	s.wait(time.Minute) // for all answers
	for _, p := range s.partitions {
		s.assignments.End(p.id, consumer.ErrLost)
	}
	stopCommits()
	s.assignments.Left(s.session)
	require.NoError(t, s.assignments.Stop(t.Context()))
	s.violations.none(t)
	used, prefetched := consumer.Used(c)
	require.Zero(t, used)
	require.Zero(t, prefetched)
}

// order notes that a message was handled. A message of the same key may come before only if it was
// handled already.
func (s *assignmentTest) order(m *consumer.Message[string]) {
	_, text, _ := strings.Cut(m.Value, "/")
	var n int
	_, _ = fmt.Sscan(text, &n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := n - testedKeys; before >= 0 && !s.done[messageText(m.Partition(), before)] {
		s.violations.add("%s was handled before %s", m.Value, messageText(m.Partition(), before))
	}
}
