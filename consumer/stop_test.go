package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// startWithBlockedHandlers starts a consumer of three messages, of which "a/0" is acknowledged and
// the others block their handlers until the test ends.
func startWithBlockedHandlers(t *testing.T, e *testEnv, commit time.Duration) *consumer.Consumer[string] {
	t.Helper()
	e.send(0, "a/0", "b/0", "c/0")
	cfg := fastConfig()
	cfg.CommitInterval = commit
	got := newSeen()
	c := e.consumer(cfg)
	let := make(chan struct{})
	t.Cleanup(func() { close(let) })
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		if m.Value != "a/0" {
			<-let // whatever its context says
		}
		return nil
	}))
	start(t, c)
	got.wait(t, 3)
	e.server.WaitFor("the acknowledgement", func() bool { return c.Status().InFlight == 2 })
	return c
}

func TestStopUnderLoadRedeliversNothing(t *testing.T) {
	t.Parallel()
	const total = 2000
	e := newTestEnv(t, 4)
	for p := range uint32(4) {
		e.send(p, numbered(fmt.Sprint("k", p), total/4)...)
	}
	log := newHandlerLog()
	rounds := 0
	for log.distinct() < total {
		rounds++
		have := log.distinct()
		c := e.worker(fastConfig(), log, time.Millisecond/2)
		log.wait(t, min(total, have+150))
		stop(t, c)
		require.Zero(t, c.Status().InFlight)
	}
	require.Greater(t, rounds, 3)
	require.Zero(t, log.doubled)
}

func TestStopEndsTheContextsOfSlowHandlers(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0", "b/0", "c/0")
	cfg := fastConfig()
	cfg.DrainTimeout = 50 * time.Millisecond
	box := newDeadLetterRecorder()
	c := e.consumer(cfg)
	require.NoError(t, c.SetDeadLetters(box))
	var once sync.WaitGroup
	once.Add(3)
	causes := make(chan error, 1)
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		once.Done()
		if m.Value != "b/0" {
			return nil
		}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return errors.New("failed because of the shutdown")
	}))
	start(t, c)
	once.Wait()
	begun := time.Now()
	err := c.Stop(context.Background())
	require.Less(t, time.Since(begun), 5*time.Second)
	var stopped *consumer.StopError
	require.ErrorAs(t, err, &stopped)
	require.Equal(t, 1, stopped.Unfinished)
	require.Equal(t, 1, stopped.Uncommitted, "c/0 is behind b/0")
	require.ErrorIs(t, <-causes, consumer.ErrStopDeadline)
	offset, _ := e.server.Committed("s", "t", "g", 0)
	require.Zero(t, offset)
	require.Zero(t, box.tries, "no failure of the message")
	require.Zero(t, e.server.Members("s", "t", "g"))
}

func TestDrainFinishesAndStopIsQuick(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0")
	cfg := fastConfig()
	cfg.DrainTimeout = time.Nanosecond // Drain has all the time that its context has
	c := e.consumer(cfg)
	begun, release := make(chan struct{}), make(chan struct{})
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error {
		close(begun)
		<-release
		return nil
	}))
	start(t, c)
	<-begun
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	require.NoError(t, c.Drain(context.Background()))
	offset, ok := e.server.Committed("s", "t", "g", 0)
	require.True(t, ok)
	require.Zero(t, offset)
	require.Zero(t, e.server.Members("s", "t", "g"))
	require.True(t, c.Status().Connected)
	stop(t, c)
}

func TestStopWithoutAServerIsBounded(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	log := newHandlerLog()
	c := e.worker(fastConfig(), log, 0)
	e.send(0, "a/0")
	log.wait(t, 1)
	e.server.StopListening()
	e.server.CutConnections()
	begun := time.Now()
	_ = c.Stop(context.Background())
	require.Less(t, time.Since(begun), 5*time.Second)
}

// A stop keeps drain_timeout, also when a Drain before it had no deadline.
func TestStopEndsADrainWithoutDeadline(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0")
	cfg := fastConfig()
	cfg.DrainTimeout = 50 * time.Millisecond
	c := e.consumer(cfg)
	working := make(chan struct{})
	ended := make(chan error, 1)
	require.NoError(t, c.Handle(func(ctx context.Context, _ *consumer.Message[string]) error {
		close(working)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	}))
	start(t, c)
	received(t, "the handler", working)
	drained := make(chan error, 1)
	go func() { drained <- c.Drain(context.Background()) }()
	eventually(t, "the drain begins", func() bool { return c.Status().Partitions[0].Leaving })
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stop(context.Background()) }()
	require.ErrorIs(t, received(t, "the handler's context", ended), consumer.ErrStopDeadline)
	var unfinished *consumer.StopError
	require.ErrorAs(t, received(t, "the stop", stopped), &unfinished)
	require.Equal(t, 1, unfinished.Unfinished)
	require.ErrorAs(t, received(t, "the drain", drained), &unfinished)
}

func TestStopWithoutTimeCountsUnfinished(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	c := startWithBlockedHandlers(t, e, time.Hour)
	// The drain may have committed before the counts are read.
	e.server.Inject(iggytest.Silence().On(embedded.StoreOffset, embedded.GetOffset))
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	var stopped *consumer.StopError
	require.ErrorAs(t, c.Stop(ctx), &stopped)
	require.Equal(t, 2, stopped.Unfinished)
	require.Equal(t, 1, stopped.Uncommitted)
}

func TestStopOnAStalledServerCountsUnfinished(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	c := startWithBlockedHandlers(t, e, time.Hour)
	e.server.Inject(iggytest.Silence().On(embedded.StoreOffset, embedded.GetOffset, embedded.LeaveGroup))
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	var stopped *consumer.StopError
	require.ErrorAs(t, c.Stop(ctx), &stopped)
	require.Equal(t, 2, stopped.Unfinished)
	require.Equal(t, 1, stopped.Uncommitted)
}

func TestStopWithoutAServerCountsUnfinished(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	c := startWithBlockedHandlers(t, e, time.Hour)
	e.server.StopListening()
	e.server.CutConnections()
	e.server.WaitFor("the loss", func() bool { return !c.Status().Joined })
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	var stopped *consumer.StopError
	require.ErrorAs(t, c.Stop(ctx), &stopped)
	require.Equal(t, 2, stopped.Unfinished)
	require.Equal(t, 1, stopped.Uncommitted)
}

func TestStopLeavesTimeToItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		c := startInBubble(t, server, nil, func(ctx context.Context, _ *consumer.Message[string]) error {
			<-ctx.Done()
			return ctx.Err()
		})
		server.append(0, "a/0")
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		require.ErrorIs(t, c.Stop(ctx), consumer.ErrStopDeadline)
		require.Equal(t, 4*time.Second, time.Since(begun).Round(10*time.Millisecond), "four fifths of the time")
	})
}

// After a stop began nobody can call Next, so what is due for redelivery only waits, too.
func TestStopDoesNotWaitForCallersOfNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		server.append(0, "a/0", "a/1", "b/0", "c/0")
		cluster := config.Default().Iggy
		cluster.ClientID, cluster.ClientSecret = "iggy", config.NewSecret("iggy")
		c, err := consumer.New(cluster, config.DefaultConsumer("g"), texts("s", "t"), consumer.WithDialer(server))
		require.NoError(t, err)
		start(t, c)
		for range 3 {
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			if m.Value == "a/0" {
				m.Nack(consumer.RetryAfter(time.Millisecond, errBusy))
			} else {
				m.Ack()
			}
		}
		time.Sleep(time.Second) // it is due
		began := time.Now()
		stop(t, c)
		require.Less(t, time.Since(began), time.Second)
	})
}
