package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// ledger counts deliveries of each message over all members of a group.
type ledger struct {
	mu       sync.Mutex
	times    map[string]int
	doubled  int
	handled  int
	overlaps int
	busy     map[string]int
	changed  chan struct{}
}

func newLedger() *ledger {
	return &ledger{times: map[string]int{}, busy: map[string]int{}, changed: make(chan struct{})}
}

func (l *ledger) begin(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[text]++; l.busy[text] > 1 {
		l.overlaps++
	}
}

func (l *ledger) done(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy[text]--
	l.handled++
	if l.times[text]++; l.times[text] > 1 {
		l.doubled++
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) distinct() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.times)
}

func (l *ledger) wait(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(2 * patience)
	for {
		l.mu.Lock()
		have, changed := len(l.times), l.changed
		l.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "not handled in time", "%d of %d messages", have, n)
		}
	}
}

// worker starts a member of the group that notes what it handles.
func (r *rig) worker(cfg config.Consumer, l *ledger, work time.Duration, opts ...consumer.Option) *consumer.Consumer[string] {
	r.t.Helper()
	c := r.consumer(cfg, opts...)
	require.NoError(r.t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		l.begin(m.Value)
		if work > 0 {
			time.Sleep(work) // the handler's work
		}
		l.done(m.Value)
		return nil
	}))
	start(r.t, c)
	return c
}

// load sends messages to all partitions until it is stopped, and tells how many.
func (r *rig) load(partitions uint32, every time.Duration) (stop func() int) {
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		sent := 0
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				done <- sent
				return
			case <-tick.C:
				for p := range partitions {
					r.send(p, fmt.Sprintf("%d-%d/x", p, sent), fmt.Sprintf("%d-%d/y", p, sent))
					sent += 2
				}
			}
		}
	}()
	return func() int {
		close(quit)
		return <-done
	}
}

// shares are the numbers of partitions that members believe to own, smallest first.
func shares(members []*consumer.Consumer[string]) []int {
	var owned []int
	for _, c := range members {
		owned = append(owned, len(c.Status().Partitions))
	}
	slices.Sort(owned)
	return owned
}

func TestHooksTellOfAssignmentAndRevocation(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	got := newSeen()
	note := func(what string) func(context.Context, []uint32) {
		return func(_ context.Context, ids []uint32) { got.add(fmt.Sprint(what, ids)) }
	}
	c := r.worker(quick(), newLedger(), 0,
		consumer.OnAssigned(note("assigned")), consumer.OnRevoked(note("revoked")), consumer.OnLost(note("lost")))
	require.Equal(t, []string{"assigned[0 1]"}, got.wait(t, 1))
	r.server.CutConnections()
	// Losses are told in one call or two.
	got.waitFor(t, "the partitions to come back", func(all []string) bool { return len(all) > 1 && all[len(all)-1] == "assigned[0 1]" })
	all := got.all()
	require.Contains(t, all[1], "lost")
	stop(t, c)
	require.Contains(t, fmt.Sprint(got.wait(t, len(all)+1)[len(all):]), "revoked")
}

func TestHookMayStopTheConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	var c *consumer.Consumer[string]
	stopped := make(chan error, 1)
	c = r.consumer(quick(), consumer.OnAssigned(func(ctx context.Context, _ []uint32) {
		stopped <- c.Stop(ctx)
	}))
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	start(t, c)
	require.NoError(t, <-stopped)
}

func TestLostMembershipIsJoinedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	l := newLedger()
	c := r.worker(quick(), l, 0)
	r.send(0, "a/0")
	l.wait(t, 1)
	require.NoError(t, r.server.RemoveMembers("s", "t", "g"))
	r.send(0, "a/1")
	r.send(1, "b/0")
	l.wait(t, 3)
	require.NoError(t, r.server.Rebalance("s", "t", "g"))
	r.send(1, "b/1")
	l.wait(t, 4)
	stop(t, c)
	offset, _ := r.server.Committed("s", "t", "g", 0)
	require.EqualValues(t, 1, offset)
	require.Zero(t, l.doubled)
}

func TestReconnectsAndGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	l := newLedger()
	c := r.worker(quick(), l, 0)
	for i := range 5 {
		r.send(0, fmt.Sprintf("a/%d", i))
		l.wait(t, i+1)
		r.server.CutConnections()
		r.conn = r.connect()
	}
	r.send(1, "b/last")
	l.wait(t, 6)
	stop(t, c)
}

// A partition whose time for the hand-over passed, and which stays after all since the server
// would not let it go, goes on: with contexts that have not ended.
func TestPartitionThatStaysAfterItsTimeGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	const messages = 10
	for p := range uint32(2) {
		r.send(p, numbered("", messages)...)
	}
	cfg := quick()
	cfg.FairAssignment, cfg.RebalanceTimeout, cfg.Concurrency = false, 50*time.Millisecond, 2
	ended := make(chan place, 2)
	release := make(chan struct{})
	c := r.consumer(cfg)
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if m.Offset() == 5 {
			select {
			case <-ctx.Done():
				ended <- placeOf(m)
				return ctx.Err()
			case <-release:
			}
		}
		return nil
	}))
	start(t, c)
	for p := range uint32(2) {
		r.server.WaitCommitted("s", "t", "g", p, 4)
	}
	refused := r.server.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.StoreOffset).When(func(req iggytest.Request) bool {
		return req.Body[len(req.Body)-1] == 0 // no question whether a partition is owned
	}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	g := transport.Group{Stream: r.stream, Topic: "t", Name: "g"}
	require.NoError(t, r.conn.Join(ctx, g))
	received(t, "the time for the hand-over to pass", ended)
	refused.Wait(1)
	require.NoError(t, r.conn.Leave(ctx, g))
	refused.Remove()
	eventually(t, "both partitions go on", func() bool {
		s := c.Status()
		return len(s.Partitions) == 2 && !s.Partitions[0].Leaving && !s.Partitions[1].Leaving
	})
	close(release)
	for p := range uint32(2) {
		r.server.WaitCommitted("s", "t", "g", p, messages-1)
	}
}

// A partition that is about to be taken and is set to another place is read there, like one that
// has just been assigned, before it is handed over.
func TestSeekOfAPartitionThatIsBeingHandedOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	const messages = 10
	for p := range uint32(2) {
		r.send(p, numbered("", messages)...)
	}
	cfg := quick()
	cfg.FairAssignment, cfg.Concurrency = false, 2
	release := make(chan struct{})
	handled := make(chan place, 100)
	c := r.consumer(cfg)
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if m.Offset() == 5 {
			<-release
		}
		handled <- placeOf(m)
		return nil
	}))
	start(t, c)
	for p := range uint32(2) {
		r.server.WaitCommitted("s", "t", "g", p, 4)
	}
	for range 10 {
		received(t, "the first messages", handled)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, r.conn.Join(ctx, transport.Group{Stream: r.stream, Topic: "t", Name: "g"}))
	leaving := -1
	eventually(t, "a partition to be taken", func() bool {
		leaving = slices.IndexFunc(c.Status().Partitions, func(p consumer.PartitionStatus) bool { return p.Leaving })
		return leaving >= 0
	})
	require.NoError(t, c.Seek(ctx, uint32(leaving), consumer.First()))
	close(release)
	for at := (place{}); at != (place{uint32(leaving), 0}); {
		at = received(t, "the first message again", handled)
	}
	eventually(t, "the hand-over", func() bool { return len(c.Status().Partitions) == 1 })
}
