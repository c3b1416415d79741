package embedded_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestHandoverWaitsForTimeout(t *testing.T) {
	t.Parallel()
	srv := start(t, embedded.WithHandoverTimeout(50*time.Millisecond))
	c := makeTopic(t, srv, 2)
	sendN(t, c, 1, 1)
	owner := groupMember(t, srv)
	owner.mustCall(t, embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, 1, 5, 0, 1, 0))
	started := time.Now()
	joiner := groupMember(t, srv)
	require.Eventually(t, func() bool { return slices.Equal(assignments(t, srv)[1], []uint32{1}) }, waitTimeout, time.Millisecond)
	require.GreaterOrEqual(t, time.Since(started), 50*time.Millisecond)
	status, _ := owner.call(t, embedded.StoreOffset, join(grouped("g"), streamS, topicT, part(1), u64(0)))
	require.Equal(t, embedded.StatusNotOwner, status)
	answer := joiner.mustCall(t, embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, 1, 5, 0, 1, 0))
	require.EqualValues(t, 1, binary.LittleEndian.Uint32(answer[12:]), "what was not committed is delivered again")
}

func TestHandoverWaitsForCommit(t *testing.T) {
	t.Parallel()
	srv := start(t)
	c := makeTopic(t, srv, 2)
	sendN(t, c, 1, 1)
	owner := groupMember(t, srv)
	owner.mustCall(t, embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, 1, 5, 0, 1, 0))
	groupMember(t, srv)
	require.Equal(t, []uint32{1}, members(t, srv)[0].HandingOver)
	require.Equal(t, [][]uint32{{0, 1}, nil}, assignments(t, srv))
	owner.mustCall(t, embedded.StoreOffset, join(grouped("g"), streamS, topicT, part(1), u64(0)))
	require.Empty(t, members(t, srv)[0].HandingOver)
	require.Equal(t, [][]uint32{{0}, {1}}, assignments(t, srv))
}

// groupWorker polls its partitions one after the other and commits each batch before the next poll.
type groupWorker struct {
	c    *testConn
	seen map[string]int
	err  error
}

func (w *groupWorker) run(ctx context.Context) {
	for ctx.Err() == nil && w.err == nil {
		w.err = w.step()
	}
}

func (w *groupWorker) step() error {
	_, err := w.c.Write(frame(embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, -1, 5, 0, 7, 0)))
	if err != nil {
		return err
	}
	status, answer, err := w.c.tryReceive()
	if err != nil || status != embedded.StatusOK {
		return fmt.Errorf("poll: %w %s", err, status)
	}
	count := binary.LittleEndian.Uint32(answer[12:])
	if count == 0 {
		return nil
	}
	partition := int(binary.LittleEndian.Uint32(answer))
	var last uint64
	for _, m := range splitMessages(answer[16:]) {
		last = binary.LittleEndian.Uint64(m[24:])
		w.seen[fmt.Sprintf("%d/%d", partition, last)]++
	}
	_, err = w.c.Write(frame(embedded.StoreOffset, join(grouped("g"), streamS, topicT, part(partition), u64(last))))
	if err != nil {
		return err
	}
	status, _, err = w.c.tryReceive()
	if err != nil || status != embedded.StatusOK && status != embedded.StatusNotOwner {
		return fmt.Errorf("commit: %w %s", err, status)
	}
	return nil
}

// TestHandoverUnderLoadDeliversOnce lets members join while a producer sends. Since a partition
// moves only after a commit, and every batch is committed before the next poll, each message is
// delivered exactly once, and no partition ever has two owners.
func TestHandoverUnderLoadDeliversOnce(t *testing.T) {
	t.Parallel()
	const partitions, perPartition = 6, 400
	srv := start(t)
	producer := makeTopic(t, srv, partitions)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var sent atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range perPartition {
			for p := range uint32(partitions) {
				body := sendBody(streamS, topicT, toPartition(p), message(uint64(i+1), "x", ""))
				if _, err := producer.Write(frame(embedded.SendMessages, body)); err != nil {
					return
				}
				if status, _, err := producer.tryReceive(); err != nil || status != embedded.StatusOK {
					return
				}
				sent.Add(1)
			}
		}
	})
	// At any time, each partition has one owner.
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			list, err := srv.GroupMembers("s", "t", "g")
			if err != nil {
				t.Error(err)
				return
			}
			owned := map[uint32]bool{}
			for _, m := range list {
				for _, p := range m.Partitions {
					if owned[p] {
						t.Errorf("partition %d has two owners", p)
					}
					owned[p] = true
				}
			}
			if len(list) > 0 && len(owned) != partitions {
				t.Errorf("%d partitions have an owner", len(owned))
			}
		}
	})
	var workers []*groupWorker
	for n := range 3 {
		require.Eventually(t, func() bool { return sent.Load() >= int64(n*perPartition*partitions/4) }, waitTimeout, time.Millisecond)
		w := &groupWorker{c: groupMember(t, srv), seen: map[string]int{}}
		workers = append(workers, w)
		wg.Go(func() { w.run(ctx) })
	}
	require.Eventually(t, func() bool { return sent.Load() == perPartition*partitions }, waitTimeout, time.Millisecond)
	require.Eventually(t, func() bool {
		for p := range uint32(partitions) {
			offset, ok, err := srv.StoredOffset("s", "t", "g", p)
			if err != nil || !ok || offset != perPartition-1 {
				return false
			}
		}
		return true
	}, waitTimeout, time.Millisecond)
	cancel()
	wg.Wait()
	total := map[string]int{}
	for _, w := range workers {
		require.NoError(t, w.err)
		for k, n := range w.seen {
			total[k] += n
		}
	}
	require.Len(t, total, partitions*perPartition)
	for k, n := range total {
		require.Equalf(t, 1, n, "message %s", k)
	}
	var n []int
	for _, s := range assignments(t, srv) {
		n = append(n, len(s))
	}
	slices.Sort(n)
	require.Equal(t, []int{1, 1, 4}, n)
}

func scriptHandover(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	group := join(st, t, ident("g"))
	for p := range uint32(4) {
		a.callQuietly(embedded.SendMessages, sendBody(st, t, toPartition(p), message(1, "a", ""), message(2, "b", "")))
	}
	a.call("create", embedded.CreateGroup, join(st, t, name("g")))
	one, two, three := s.login("one"), s.login("two"), s.login("three")
	g := grouped("g")
	one.call("join", embedded.JoinGroup, group)
	for range 4 {
		one.call("poll", embedded.PollMessages, pollBody(g, st, t, -1, 5, 0, 10, 0))
	}
	two.call("join", embedded.JoinGroup, group)
	a.call("nothing moved yet", embedded.GetGroup, group)
	two.call("nothing to poll", embedded.PollMessages, pollBody(g, st, t, -1, 5, 0, 10, 0))
	for range 4 {
		one.call("partition in handover is left out", embedded.PollMessages, pollBody(g, st, t, -1, 1, 1<<62, 10, 0))
	}
	one.call("partition in handover can be polled by number", embedded.PollMessages, pollBody(g, st, t, 3, 5, 0, 10, 0))
	one.call("commit a part", embedded.StoreOffset, join(g, st, t, part(3), u64(0)))
	a.call("still not moved", embedded.GetGroup, group)
	one.call("commit the rest", embedded.StoreOffset, join(g, st, t, part(3), u64(1)))
	a.call("moved", embedded.GetGroup, group)
	one.call("not its own any more", embedded.StoreOffset, join(g, st, t, part(3), u64(1)))
	one.call("not polled either", embedded.PollMessages, pollBody(g, st, t, 3, 3, 0, 10, 0))
	two.call("polls its own", embedded.PollMessages, pollBody(g, st, t, -1, 3, 0, 1, 0))
	one.call("commit another one first", embedded.StoreOffset, join(g, st, t, part(2), u64(1)))
	three.call("join", embedded.JoinGroup, group)
	a.call("moved at once", embedded.GetGroup, group)
	one.call("read again what was committed", embedded.PollMessages, pollBody(g, st, t, 1, 3, 0, 1, 0))
	three.call("leave", embedded.LeaveGroup, group)
	a.call("assigned again", embedded.GetGroup, group)
	four := s.login("four")
	four.call("join", embedded.JoinGroup, group)
	a.call("waits for a commit", embedded.GetGroup, group)
	one.call("poll with commit", embedded.PollMessages, pollBody(g, st, t, 2, 3, 0, 10, 1))
	one.call("poll with commit", embedded.PollMessages, pollBody(g, st, t, 0, 3, 0, 10, 1))
	a.call("after commits", embedded.GetGroup, group)
	two.call("leave", embedded.LeaveGroup, group)
	a.call("after all", embedded.GetGroup, group)
}

// scriptHandoverAfterDelete lets a second member join after what the first one has polled is
// deleted, with the group, with the messages or with the topic. The real server forgets what was
// polled only with the topic. In the other cases the partition waits for a commit that no one can
// make, until the handover times out.
func scriptHandoverAfterDelete(s *script) {
	a, st := s.admin, s.stream("s")
	for _, what := range []string{"group", "messages", "topic"} {
		t := s.topic(st, what, 2)
		group := join(st, t, ident("g"))
		a.callQuietly(embedded.CreateGroup, join(st, t, name("g")))
		one, two := s.login("one"), s.login("two")
		one.call("join", embedded.JoinGroup, group)
		for p := range 2 {
			a.callQuietly(embedded.SendMessages, sendBody(st, t, toPartition(uint32(p)), message(1, "a", ""), message(2, "b", "")))
			a.callQuietly(embedded.FlushUnsavedBuffer, join(st, t, u32(uint32(p)), []byte{1}))
			one.call("poll", embedded.PollMessages, pollBody(grouped("g"), st, t, p, 1, 0, 10, 0))
		}
		switch what {
		case "group":
			a.call("delete", embedded.DeleteGroup, group)
		case "messages":
			a.call("purge", embedded.PurgeTopic, join(st, t))
		case "topic":
			a.call("delete", embedded.DeleteTopic, join(st, t))
			s.topic(st, what, 2)
		}
		a.callQuietly(embedded.CreateGroup, join(st, t, name("g")))
		one.call("join", embedded.JoinGroup, group)
		two.call("join", embedded.JoinGroup, group)
		a.call("without the "+what, embedded.GetGroup, group)
	}
}
