package group_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// step is something that happens to a group.
type step struct {
	What  string
	Which int // member
	After time.Duration
	For   time.Duration
}

// Whatever happens, in whatever order: in the end the members that are left share all partitions
// evenly, everything is handled, and nothing that is impossible has happened on the way.
func TestGroupSettlesAfterAnything(t *testing.T) {
	t.Parallel()
	whats := []string{
		"start", "start", "stop", "stop without time", "close", "cut", "evict", "lose coordination", "redistribute",
		"hang", "refuse", "seek", "pause", "resume", "reset", "slow",
	}
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			What:  rapid.SampledFrom(whats).Draw(t, "what"),
			Which: rapid.IntRange(0, 5).Draw(t, "which"),
			After: time.Duration(rapid.IntRange(0, 200_000).Draw(t, "after")) * time.Microsecond,
			For:   time.Duration(rapid.IntRange(1, 3000).Draw(t, "for")) * time.Millisecond,
		}
	}), 1, 15)
	rapid.Check(t, func(rt *rapid.T) {
		partitions := rapid.IntRange(1, 6).Draw(rt, "partitions")
		drawn := steps.Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, partitions)
			defer b.close()
			defer func() {
				if t.Failed() {
					t.Logf("after %+v on %d partitions", drawn, partitions)
				}
			}()
			b.cfg.RebalanceGrace, b.cfg.RebalanceAfter, b.cfg.ProbeInterval = 300*time.Millisecond, 50*time.Millisecond, 30*time.Millisecond
			b.cfg.RebalanceTimeout = 300 * time.Millisecond
			b.member()
			stopLoad := b.load()
			for _, s := range drawn {
				time.Sleep(s.After)
				b.step(s)
			}
			b.server.setFault(nil)
			alive := b.alive()
			if len(alive) == 0 {
				alive = append(alive, b.member())
			}
			for _, c := range alive {
				for id := range partitions {
					c.machine.Resume(uint32(id))
				}
			}
			var want []int
			for i := range alive {
				n := partitions / len(alive)
				if i < partitions%len(alive) {
					n++
				}
				want = append(want, n)
			}
			b.shares(alive, want...)
			stopLoad()
		})
	})
}

// alive are the members that are not stopped. The connections of the others end, as the consumer
// ends them.
func (b *bubble) alive() (alive []*fakeConsumer) {
	for _, c := range b.all {
		c.mu.Lock()
		over := c.over
		c.mu.Unlock()
		if !over {
			alive = append(alive, c)
		}
	}
	return alive
}

func (b *bubble) step(s step) {
	alive := b.alive()
	if len(alive) == 0 || s.What == "start" {
		if len(alive) < 5 {
			b.member()
		}
		return
	}
	c := alive[s.Which%len(alive)]
	id := uint32(s.Which % len(b.server.ends))
	end := func(do func()) {
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
		c.all.Go(func() {
			do()
			c.cut()
		})
	}
	switch s.What {
	case "stop":
		end(func() {
			work, cancel := within(s.For)
			defer cancel()
			c.machine.Stop(context.Background(), work)
		})
	case "stop without time":
		end(func() {
			work, cancel := within(0)
			defer cancel()
			c.machine.Stop(context.Background(), work)
		})
	case "close":
		end(func() {
			c.machine.Close(iggyerr.ErrClosed)
			<-c.machine.Done()
		})
	case "cut":
		c.cut()
	case "evict":
		b.server.loseGroup(mainGroup)
	case "lose coordination":
		b.server.loseGroup(coordinationGroup)
	case "redistribute":
		foreign := b.server.connect("foreign")
		_ = foreign.Join(context.Background(), transportGroup(mainGroup))
		foreign.cut()
	case "hang":
		until := time.Now().Add(s.For)
		b.server.setFault(func(conn *fakeConn, _ string) error {
			if conn.name == c.name && time.Now().Before(until) {
				return errHang
			}
			return nil
		})
	case "refuse":
		answers := []iggyerr.Status{13000, iggyerr.StatusGeneric, iggyerr.StatusNotMember, iggyerr.StatusNotOwner, iggyerr.StatusTopicNotFound, iggyerr.StatusInvalidOffset}
		status := answers[int(s.For/time.Millisecond)%len(answers)]
		n := 0
		b.server.setFault(func(conn *fakeConn, op string) error {
			if n++; conn.name != c.name || n > 20 || op == "owns" {
				return nil
			}
			return refuse(op, status)
		})
	case "seek":
		go func() { _ = c.seek(context.Background(), id) }()
	case "pause":
		c.machine.Pause(id)
	case "resume":
		c.machine.Resume(id)
	case "reset":
		if offset, ok := b.server.storedOffset(id); ok {
			b.server.setStored(id, offset/2)
		}
	case "slow":
		c.mu.Lock()
		c.holdAt = func(at place) bool { return at.partition == id && at.offset%97 == 0 }
		c.mu.Unlock()
		c.all.Go(func() {
			time.Sleep(s.For)
			c.mu.Lock()
			c.holdAt = nil
			c.mu.Unlock()
			c.Interrupt(id, group.ErrLost)
			c.cut()
		})
	}
}
