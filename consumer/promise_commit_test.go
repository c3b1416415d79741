package consumer_test

import (
	"context"
	"math/rand/v2"
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

// acknowledged is which messages an application has acknowledged, and what was
// stored of that.
type acknowledged struct {
	mu     sync.Mutex
	acked  map[place]bool
	prefix map[uint32]uint64 // the number of messages at the start that are all acknowledged
	stored map[uint32]uint64
}

func (a *acknowledged) ack(at place) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acked[at] = true
	for a.acked[place{at.partition, a.prefix[at.partition]}] {
		a.prefix[at.partition]++
	}
}

// Promise 4: each message is delivered; the committed offset covers nothing
// beyond the acknowledged prefix and does not move back, whatever happens to
// connections, requests and the group, and in whatever order messages are acknowledged.
func TestPromiseCommitsCoverTheAcknowledgedPrefix(t *testing.T) {
	t.Parallel()
	overTransports(t, 3, func(t *testing.T, r *transportRig) {
		const each = 250
		for p := range uint32(3) {
			r.send(p, numbered("", each)...)
		}
		model := &acknowledged{acked: map[place]bool{}, prefix: map[uint32]uint64{}, stored: map[uint32]uint64{}}
		var bad problems
		r.onStore(func(partition uint32, offset uint64) {
			model.mu.Lock()
			defer model.mu.Unlock()
			if offset >= model.prefix[partition] {
				bad.add("offset %d of partition %d is committed, %d messages are acknowledged", offset, partition, model.prefix[partition])
			}
			if offset < model.stored[partition] {
				bad.add("the offset of partition %d went from %d to %d", partition, model.stored[partition], offset)
			}
			model.stored[partition] = offset
		})
		var faults []*iggytest.Injection
		for _, f := range []iggytest.Fault{
			iggytest.Cut().Chance(0.05, 1), iggytest.Cut().AfterEffect().Chance(0.05, 2), iggytest.HalfFrame().Chance(0.03, 3),
		} {
			faults = append(faults, r.server.Inject(f.On(embedded.StoreOffset)))
		}
		faults = append(faults, r.server.Inject(iggytest.Cut().AfterEffect().On(embedded.PollMessages).Chance(0.01, 4)))
		again := r.server.Inject(iggytest.Do(func(iggytest.Request) { _ = r.server.Rebalance("s", "t", "g") }).On(embedded.StoreOffset).Skip(30).Times(2))
		r.server.Inject(iggytest.Do(func(iggytest.Request) { _ = r.server.RemoveMembers("s", "t", "g") }).On(embedded.StoreOffset).Skip(60).Times(1))

		cfg := quick()
		cfg.AckMode = config.AckManual
		cfg.CommitInterval, cfg.CommitEvery = 5*time.Millisecond, 5
		var wg sync.WaitGroup
		defer wg.Wait()
		all := newAttendance()
		pool := make(chan *consumer.Message[string], 100)
		stopped := make(chan struct{})
		defer close(stopped)
		wg.Go(func() { // acknowledges in a random order
			var hand []*consumer.Message[string]
			for {
				select {
				case m := <-pool:
					hand = append(hand, m)
				case <-time.After(time.Millisecond): // nothing comes: let go of something
				case <-stopped:
					return
				}
				if len(hand) > 8 || len(hand) > 0 && len(pool) == 0 {
					i := rand.N(len(hand))
					m := hand[i]
					hand[i] = hand[len(hand)-1]
					hand = hand[:len(hand)-1]
					model.ack(placeOf(m))
					m.Ack()
					all.note(placeOf(m))
				}
			}
		})
		c := r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			pool <- m
			return nil
		})
		all.wait(t, 3*each)
		for p := range uint32(3) {
			r.server.WaitCommitted("s", "t", "g", p, each-1)
		}
		again.Wait(1)
		for _, f := range faults {
			f.Remove()
		}
		// The answer to the last commit may have been lost: the stop can't mend that.
		eventually(t, "the commits to be known", func() bool {
			now := c.Status().Partitions
			return len(now) == 3 && !slices.ContainsFunc(now, func(p consumer.PartitionStatus) bool { return p.Committed != each-1 || p.InFlight > 0 })
		})
		stop(t, c)
		bad.none(t)
	})
}

// Promise 4: an operator's reset is honoured, back and forth, also while the group is consuming: an operator who
// joins it, sets the offset of the partition that is given to him and leaves.
func TestPromiseOperatorsResetIsHonoured(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, r *transportRig) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r.send(0, numbered("a", 20)...)
		r.send(1, numbered("b", 20)...)
		came := make(chan place, 200)
		c := r.handling(quick(), func(_ context.Context, m *consumer.Message[string]) error {
			came <- placeOf(m)
			return nil
		})
		for range 40 {
			received(t, "all messages", came)
		}
		for p := range uint32(2) {
			r.server.WaitCommitted("s", "t", "g", p, 19)
		}

		operator := r.connect()
		group := transport.Group{Stream: "s", Topic: "t", Name: "g"}
		who := transport.Consumer{Stream: "s", Topic: "t", Name: "g", Group: true}
		take := func() uint32 {
			require.NoError(t, operator.Join(ctx, group))
			for {
				for p := range uint32(2) {
					if operator.StoreOffset(ctx, who, p, 19) == nil {
						return p
					}
				}
			}
		}
		p := take()
		require.NoError(t, operator.StoreOffset(ctx, who, p, 9))
		require.NoError(t, operator.Leave(ctx, group))
		for offset := range uint64(10) {
			require.Equal(t, place{p, offset + 10}, received(t, "the messages after the new offset", came))
		}
		r.server.WaitCommitted("s", "t", "g", p, 19)

		c.Pause(p)
		r.send(p, numbered("c", 10)...)
		r.server.WaitMessages("s", "t", 50)
		q := take()
		for q != p { // the server chooses which one it gives
			require.NoError(t, operator.Leave(ctx, group))
			q = take()
		}
		require.NoError(t, operator.StoreOffset(ctx, who, p, 24))
		require.NoError(t, operator.Leave(ctx, group))
		r.server.WaitFor("the partition to come back", func() bool {
			for _, s := range c.Status().Partitions {
				if s.ID == p && s.HasCommitted && s.Committed == 24 {
					return true
				}
			}
			return false
		})
		c.Resume(p)
		for offset := range uint64(5) {
			require.Equal(t, place{p, offset + 25}, received(t, "the messages after the new offset", came))
		}
		require.Empty(t, came)
	})
}

// With commit_interval 0, too, a commit that the server refused is tried again, and who waits for it gets it.
func TestRefusedCommitIsTriedAgainWithoutAnInterval(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0")
	refused := r.server.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.StoreOffset).When(func(req iggytest.Request) bool {
		return req.Body[len(req.Body)-1] == 0 // no question whether a partition is owned
	}).Times(1))
	cfg := quick()
	cfg.CommitInterval, cfg.AckMode = 0, config.AckManual
	c := r.consumer(cfg)
	start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := c.Next(ctx)
	require.NoError(t, err)
	require.NoError(t, m.AckSync(ctx))
	require.Equal(t, 1, refused.Count())
	r.server.WaitCommitted("s", "t", "g", 0, 0)
}
