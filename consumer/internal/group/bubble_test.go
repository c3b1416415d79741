package group_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// bubble is a server and the members of one group, in a bubble with a time of its own.
type bubble struct {
	t      *testing.T
	server *fakeServer
	ledger *ledger
	logs   *observer.ObservedLogs
	log    *zap.Logger
	cfg    group.Config
	all    []*fakeConsumer
	over   chan struct{}
	pace   time.Duration // of the load
}

// inBubble runs a test in a bubble. Members that are left are closed at its end.
func inBubble(t *testing.T, partitions int, test func(b *bubble)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, partitions)
		defer b.close()
		test(b)
	})
}

func newBubble(t *testing.T, partitions int) *bubble {
	core, logs := observer.New(zap.DebugLevel)
	b := &bubble{t: t, server: newFakeServer(partitions), ledger: newLedger(), logs: logs, over: make(chan struct{}), pace: 5 * time.Millisecond}
	b.log = zap.New(core, zap.Development()) // an impossible event panics
	b.cfg = group.Config{
		FairAssignment: true, CoordinationGroup: coordinationGroup,
		RebalanceAfter: 200 * time.Millisecond, RebalanceGrace: time.Second, RebalanceTimeout: 2 * time.Second,
		ProbeInterval: 60 * time.Millisecond, Log: b.log,
	}
	return b
}

// consumer makes a member. It is not started.
func (b *bubble) consumer(change ...func(*fakeConsumer, *group.Config)) *fakeConsumer {
	c := &fakeConsumer{
		name: fmt.Sprint("c", len(b.all)), server: b.server, ledger: b.ledger, work: time.Millisecond, idle: 20 * time.Millisecond,
		parts: map[uint32]*fakePart{}, paused: map[uint32]bool{},
	}
	cfg := b.cfg
	cfg.Consumer = c.who()
	for _, f := range change {
		f(c, &cfg)
	}
	c.machine = group.New(cfg, group.Dependencies{Sessions: c.sessions, Dial: c.dial, Partitions: c, Observer: c})
	b.all = append(b.all, c)
	return c
}

// member starts one.
func (b *bubble) member(change ...func(*fakeConsumer, *group.Config)) *fakeConsumer {
	c := b.consumer(change...)
	c.machine.Start()
	return c
}

func (b *bubble) close() {
	close(b.over)
	for _, c := range b.all {
		c.machine.Close(errors.New("the test is over"))
		<-c.machine.Done()
		c.mu.Lock()
		for id, p := range c.parts {
			b.t.Errorf("%s has partition %d after its end", c.name, id)
			p.cancel(nil)
			p.end()
		}
		c.mu.Unlock()
		c.all.Wait()
		c.cut()
	}
}

const waitLimit = 2 * time.Minute

// eventually waits until something is so.
func (b *bubble) eventually(what string, so func() bool) {
	b.t.Helper()
	for end := time.Now().Add(waitLimit); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			for _, c := range b.all {
				s := c.machine.Status()
				b.t.Logf("%s: %s %v, %v", c.name, s.State, s.Partitions, s.LastError)
			}
			b.t.Logf("members %v, announced %v", b.server.sizes(mainGroup), b.server.sizes(coordinationGroup))
			require.FailNow(b.t, "it is not so", what)
		}
	}
}

// shares waits until members own so many partitions, and all are active.
func (b *bubble) shares(members []*fakeConsumer, want ...int) {
	b.t.Helper()
	b.eventually(fmt.Sprint("shares of ", want), func() bool {
		got := map[int]int{}
		for _, c := range members {
			s := c.machine.Status()
			if s.State != group.Active {
				return false
			}
			for _, p := range s.Partitions {
				if p.State != group.PartitionActive {
					return false
				}
			}
			got[len(s.Partitions)]++
		}
		for _, n := range want {
			got[n]--
		}
		for _, n := range got {
			if n != 0 {
				return false
			}
		}
		return true
	})
}

// load appends messages to all partitions until it is stopped, and then waits until all are
// handled.
func (b *bubble) load() (stop func()) {
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-quit:
				done <- n
				return
			case <-b.over:
				return
			case <-time.After(b.pace):
				b.server.append(2)
				n += 2 * len(b.server.ends)
			}
		}
	}()
	return func() {
		close(quit)
		n := <-done
		b.eventually("everything to be handled", func() bool { return b.ledger.distinct() == n })
	}
}

// handled waits until so many messages are handled, and until all is done that follows from it.
func (b *bubble) handled(n int) {
	b.t.Helper()
	b.eventually(fmt.Sprint(n, " messages to be handled"), func() bool { return b.ledger.distinct() == n })
	time.Sleep(50 * time.Millisecond)
}

// in waits until a member is in a state.
func (b *bubble) in(c *fakeConsumer, s group.State) {
	b.t.Helper()
	b.eventually(fmt.Sprint(c.name, " to be ", s), func() bool { return c.machine.Status().State == s })
}

// stop ends a member, with much time.
func (b *bubble) stop(c *fakeConsumer) group.Remaining {
	return c.machine.Stop(context.Background(), context.Background())
}

func transportGroup(name string) transport.Group {
	return transport.Group{Stream: "s", Topic: "t", Name: name}
}
