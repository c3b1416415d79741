package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	ctx := context.Background()
	c := r.consumer(quick())
	require.NoError(t, c.Stop(ctx), "before start")
	require.NoError(t, c.Stop(ctx), "twice")
	require.ErrorIs(t, c.Start(ctx), iggyerr.ErrClosed)

	c = r.consumer(quick())
	require.NoError(t, c.Start(ctx))
	require.NoError(t, c.Start(ctx), "twice")
	stop(t, c)
	stop(t, c)
	require.ErrorIs(t, c.Check(ctx), iggyerr.ErrClosed)
	require.ErrorIs(t, c.Drain(ctx), iggyerr.ErrClosed)

	cfg := r.iggy
	cfg.Endpoint, cfg.StartTimeout = "tcp://127.0.0.1:1", 50*time.Millisecond
	c, err := consumer.New(cfg, quick(), r.topic)
	require.NoError(t, err)
	require.ErrorIs(t, c.Start(ctx), iggyerr.ErrNotConnected)
	require.NoError(t, c.Stop(ctx))
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for name, change := range map[string]func(*config.Consumer){
		"group": func(c *config.Consumer) { c.Group = "" }, "batch_size": func(c *config.Consumer) { c.BatchSize = 0 },
		"max_in_flight": func(c *config.Consumer) { c.MaxInFlight = 0 }, "poll_interval_min": func(c *config.Consumer) { c.PollIntervalMin = 0 },
	} {
		cfg := quick()
		change(&cfg)
		_, err := consumer.New(r.iggy, cfg, r.topic)
		require.ErrorContains(t, err, name)
	}
	cluster := r.iggy
	cluster.ClientSecret = config.Secret{}
	_, err := consumer.New(cluster, quick(), r.topic)
	require.ErrorContains(t, err, "iggy.client_secret")
}

func TestCleanStopInTheMiddleRedeliversNothing(t *testing.T) {
	t.Parallel()
	const total = 2000
	r := newRig(t, 4)
	for p := range uint32(4) {
		r.send(p, numbered(fmt.Sprint("k", p), total/4)...)
	}
	l := newLedger()
	rounds := 0
	for l.distinct() < total {
		rounds++
		have := l.distinct()
		c := r.worker(quick(), l, time.Millisecond/2)
		l.wait(t, min(total, have+150))
		stop(t, c)
		require.Zero(t, c.Status().InFlight)
	}
	require.Greater(t, rounds, 3)
	require.Zero(t, l.doubled)
}

func TestStopEndsTheContextsOfHandlersThatOutlastIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0", "b/0", "c/0")
	cfg := quick()
	cfg.DrainTimeout = 50 * time.Millisecond
	box := newLetters()
	c := r.consumer(cfg)
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
	offset, _ := r.server.Committed("s", "t", "g", 0)
	require.Zero(t, offset)
	require.Zero(t, box.tries, "no failure of the message")
	require.Zero(t, r.server.Members("s", "t", "g"))
}

func TestDrainFinishesAndStopIsQuick(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0")
	cfg := quick()
	cfg.DrainTimeout = time.Nanosecond // Drain has all the time that its context has
	c := r.consumer(cfg)
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
	offset, ok := r.server.Committed("s", "t", "g", 0)
	require.True(t, ok)
	require.Zero(t, offset)
	require.Zero(t, r.server.Members("s", "t", "g"))
	require.True(t, c.Status().Connected)
	stop(t, c)
}

func TestStopWithoutAServerIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	l := newLedger()
	c := r.worker(quick(), l, 0)
	r.send(0, "a/0")
	l.wait(t, 1)
	r.server.StopListening()
	r.server.CutConnections()
	begun := time.Now()
	_ = c.Stop(context.Background())
	require.Less(t, time.Since(begun), 5*time.Second)
}

func TestStalledServerIsNoticedAndMessagesGoOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.iggy.RequestTimeout = 200 * time.Millisecond
	l := newLedger()
	c := r.worker(quick(), l, 0)
	r.send(0, "a/0")
	l.wait(t, 1)
	stalled := r.server.Inject(iggytest.Silence().On(embedded.PollMessages).Times(1))
	r.send(1, "b/0")
	stalled.Wait(1)
	l.wait(t, 2)
	r.server.Inject(iggytest.Answer(embedded.Status(1)).On(embedded.StoreOffset).Times(3))
	r.send(1, "b/1")
	l.wait(t, 3)
	stop(t, c)
}

func TestPoisonAmongGoodMessages(t *testing.T) {
	t.Parallel()
	poison := campaignSize(1000)
	if poison > 10000 {
		poison = 10000
	}
	r := newRig(t, 4)
	good := 0
	for i := 0; i < poison; {
		for p := range uint32(4) {
			var texts []string
			for range 50 {
				switch {
				case i >= poison || i%7 == 3:
					texts = append(texts, fmt.Sprintf("good%d/%d", i%10, good))
					good++
				case i%2 == 0:
					texts = append(texts, fmt.Sprintf("!malformed%d", i))
				default:
					texts = append(texts, fmt.Sprintf("bad%d/%d", i%10, i))
				}
				i++
			}
			r.send(p, texts...)
		}
	}
	cfg := quick()
	cfg.Retry.MaxDeliveries = 2
	cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff = time.Millisecond, 2*time.Millisecond
	box := &unsureLetters{confirmed: map[string]int{}}
	l := newLedger()
	c := r.consumer(cfg)
	require.NoError(t, c.SetDeadLetters(box))
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if m.Value[0] == 'b' {
			return errors.New("bad")
		}
		l.begin(m.Value)
		l.done(m.Value)
		return nil
	}))
	start(t, c)
	sent := int(r.written.Load())
	l.wait(t, good)
	for p := range uint32(4) {
		r.server.WaitCommitted("s", "t", "g", p, uint64(sent/4-1))
	}
	require.Zero(t, l.doubled)
	box.mu.Lock()
	defer box.mu.Unlock()
	require.Len(t, box.confirmed, sent-good)
	for text, n := range box.confirmed {
		require.Equal(t, 1, n, text)
	}
	t.Logf("%d messages, %d in the dead letters, %d refusals on the way", sent, len(box.confirmed), box.refused)
}

// unsureLetters confirms nine of ten.
type unsureLetters struct {
	letters
	confirmed map[string]int
	refused   int
}

// A stop keeps drain_timeout also when a drain before it had all the time there is.
func TestStopEndsADrainWithoutEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0")
	cfg := quick()
	cfg.DrainTimeout = 50 * time.Millisecond
	c := r.consumer(cfg)
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
