package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// letters is a dead letter box that can be broken.
type letters struct {
	mu       sync.Mutex
	failures []topic.Failure[string]
	tries    int
	broken   error
	changed  *seen
}

func newLetters() *letters { return &letters{changed: newSeen()} }

func (l *letters) DeadLetter(_ context.Context, f topic.Failure[string]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries++
	if l.broken != nil {
		l.changed.add("refused")
		return l.broken
	}
	l.failures = append(l.failures, f)
	l.changed.add("stored " + string(f.Payload))
	return nil
}

func (l *letters) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = nil
}

func (l *letters) wait(t testing.TB, n int) []topic.Failure[string] {
	t.Helper()
	l.changed.waitFor(t, "dead letters", func(texts []string) bool {
		stored := 0
		for _, text := range texts {
			if strings.HasPrefix(text, "stored") {
				stored++
			}
		}
		return stored >= n
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]topic.Failure[string](nil), l.failures...)
}

func TestKeysStayInOrderAndOthersGoOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	var texts []string
	for i := range 100 {
		for k := range 10 {
			texts = append(texts, fmt.Sprintf("k%d/%d", k, i))
		}
	}
	r.send(0, texts...)
	c := r.consumer(quick())
	got := newSeen()
	var busy [10]atomic.Int32
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		var key, n int
		_, err := fmt.Sscanf(m.Value, "k%d/%d", &key, &n)
		if err != nil || busy[key].Add(1) != 1 {
			return consumer.Permanent(fmt.Errorf("key %d is handled twice at a time: %w", key, err))
		}
		defer busy[key].Add(-1)
		if n%10 == 3 && m.Deliveries() < 3 {
			return errors.New("try again")
		}
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	next := map[string]int{}
	for _, text := range got.wait(t, len(texts)) {
		key, n, _ := strings.Cut(text, "/")
		require.Equal(t, fmt.Sprint(next[key]), n, "order of key %s", key)
		next[key]++
	}
	require.Len(t, next, 10)
}

func TestSlowKeyBlocksOnlyItself(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.send(0, "slow/0", "slow/1", "a/0", "b/0", "c/0")
	r.send(1, numbered("d", 20)...)
	cfg := quick()
	cfg.MaxInFlight = 8
	c := r.consumer(cfg)
	got := newSeen()
	release := make(chan struct{})
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if m.Value == "slow/0" {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	require.NotContains(t, strings.Join(got.wait(t, 23), " "), "slow")
	close(release)
	all := got.wait(t, 25)
	require.Equal(t, []string{"slow/0", "slow/1"}, all[23:])
}

func TestStuckPartitionLeavesTheOthersTheirPart(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	for p := range uint32(4) {
		r.send(p, numbered(fmt.Sprintf("%d", p), 100)...)
	}
	cfg := quick()
	cfg.MaxInFlight, cfg.Concurrency = 8, 4
	texts := topic.New("s", "t", textCodec{}) // no keys: all may run at once
	c, err := consumer.New(r.iggy, cfg, texts)
	require.NoError(t, err)
	got := newSeen()
	release := make(chan struct{})
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if m.Partition() == 0 {
			<-release
		}
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	got.wait(t, 300)
	require.LessOrEqual(t, c.Status().InFlight, 8)
	close(release)
	got.wait(t, 400)
	stop(t, c)
}

func TestFailedMessagesEndInTheDeadLetters(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/good", "!not text", "b/fails", "c/permanent", "d/panics", "e/drop", "f/coded", "b/after")
	cfg := quick()
	cfg.Retry.MaxDeliveries = 3
	box := newLetters()
	c := r.consumer(cfg)
	require.NoError(t, c.SetDeadLetters(box))
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		switch m.Value {
		case "b/fails":
			return errors.New("no luck")
		case "c/permanent":
			return consumer.Permanent(errors.New("never"))
		case "d/panics":
			panic("oh")
		case "e/drop":
			return fmt.Errorf("not wanted: %w", consumer.Drop)
		case "f/coded":
			return consumer.Permanent(coded{})
		}
		return nil
	}))
	start(t, c)
	failures := map[string]topic.Failure[string]{}
	for _, f := range box.wait(t, 5) {
		failures[string(f.Payload)] = f
	}
	r.server.WaitCommitted("s", "t", "g", 0, 7)
	require.Len(t, failures, 5)
	undecodable := failures["!not text"]
	require.Equal(t, topic.CodeDecode, undecodable.Code)
	require.False(t, undecodable.Decoded)
	require.Zero(t, undecodable.Attempts)
	require.EqualValues(t, 1, undecodable.Origin.Offset)
	require.Equal(t, "g", undecodable.Origin.Group)
	fails := failures["b/fails"]
	require.Equal(t, topic.CodeHandler, fails.Code)
	require.Equal(t, 3, fails.Attempts)
	require.Equal(t, "b", fails.Key)
	require.True(t, fails.Decoded)
	require.EqualError(t, fails.Err, "no luck")
	require.Equal(t, 1, failures["c/permanent"].Attempts)
	require.Equal(t, topic.CodePanic, failures["d/panics"].Code)
	require.ErrorIs(t, failures["d/panics"].Err, iggyerr.ErrPanic)
	require.ErrorContains(t, failures["d/panics"].Err, "handler_test.go")
	require.Equal(t, "TEST_CODED", failures["f/coded"].Code)

	all := strings.Join(got.all(), " ")
	require.Equal(t, 3, strings.Count(all, "b/fails"))
	require.Greater(t, strings.Index(all, "b/after"), strings.LastIndex(all, "b/fails"), "a key waits for its dead letter")
}

type coded struct{}

func (coded) Error() string       { return "coded" }
func (coded) FailureCode() string { return "TEST_CODED" }

func TestPartitionWaitsWhileDeadLettersCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	box := newLetters()
	box.broken = errors.New("disk full")
	c := r.consumer(quick())
	require.NoError(t, c.SetDeadLetters(box))
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	r.send(0, "!malformed")
	box.changed.waitFor(t, "two attempts", func(texts []string) bool { return len(texts) >= 2 })
	r.server.WaitFor("the block", func() bool { return c.Check(context.Background()) != nil })
	require.ErrorContains(t, c.Check(context.Background()), "disk full")
	r.send(0, "a/waits")
	r.send(1, "b/goes")
	require.Equal(t, []string{"b/goes"}, got.wait(t, 1))
	_, committed := r.server.Committed("s", "t", "g", 0)
	require.False(t, committed)
	box.mend()
	got.wait(t, 2)
	r.server.WaitCommitted("s", "t", "g", 0, 1)
	require.NoError(t, c.Check(context.Background()))
	require.Len(t, box.wait(t, 1), 1)
}

func TestHandlerTimeoutAndRetryAfter(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/slow", "b/later")
	cfg := quick()
	cfg.HandlerTimeout = 20 * time.Millisecond
	cfg.Retry.MaxDeliveries = 1
	box := newLetters()
	c := r.consumer(cfg)
	require.NoError(t, c.SetDeadLetters(box))
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if m.Value == "a/slow" {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return consumer.RetryAfter(time.Millisecond, errors.New("busy"))
	}))
	start(t, c)
	codes := map[string]string{}
	for _, f := range box.wait(t, 2) {
		codes[f.Key] = f.Code
	}
	require.Equal(t, map[string]string{"a": topic.CodeTimeout, "b": topic.CodeHandler}, codes)
}

func TestManualAcknowledgement(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0", "b/0", "c/0")
	cfg := quick()
	cfg.AckMode = config.AckManual
	c := r.consumer(cfg)
	messages := make(chan *consumer.Message[string], 10)
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		messages <- m
		return nil
	}))
	start(t, c)
	held := map[string]*consumer.Message[string]{}
	for range 3 {
		m := <-messages
		held[m.Value] = m
	}
	held["b/0"].Ack()
	held["c/0"].Nack(errors.New("again"))
	again := <-messages
	require.Equal(t, "c/0", again.Value)
	require.Equal(t, 2, again.Deliveries())
	held["c/0"].Ack() // of the first delivery: without effect
	require.Equal(t, 2, c.Status().InFlight)
	_, committed := r.server.Committed("s", "t", "g", 0)
	require.False(t, committed, "a/0 holds the prefix back")
	held["a/0"].Ack()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, again.AckSync(ctx))
	offset, _ := r.server.Committed("s", "t", "g", 0)
	require.EqualValues(t, 2, offset)
}

func TestOnPollIsAtMostOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0", "b/0")
	cfg := quick()
	cfg.AckMode = config.AckOnPoll
	c := r.consumer(cfg)
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		offset, ok := r.server.Committed("s", "t", "g", 0)
		got.add(fmt.Sprintf("%s %d %v", m.Value, offset, ok))
		return errors.New("not delivered again")
	}))
	start(t, c)
	got.wait(t, 2)
	r.send(0, "c/0")
	require.ElementsMatch(t, []string{"a/0 1 true", "b/0 1 true", "c/0 2 true"}, got.wait(t, 3))
	stop(t, c)
	require.Len(t, got.all(), 3)
}

func TestBatches(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.send(0, numbered("a", 100)...)
	r.send(1, numbered("b", 30)...)
	cfg := quick()
	cfg.BatchSize, cfg.MaxInFlight = 10, 40
	cfg.Retry.MaxDeliveries = 3
	box := newLetters()
	c := r.consumer(cfg)
	require.NoError(t, c.SetDeadLetters(box))
	got := newSeen()
	var failed atomic.Int32
	require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
		if len(batch) > 10 {
			return consumer.Permanent(errors.New("too many"))
		}
		if batch[0].Partition() == 1 && batch[0].Deliveries() == 1 {
			failed.Add(1)
			return errors.New("once")
		}
		for _, m := range batch {
			if m.Value == "a/50" {
				m.Nack(consumer.Permanent(errors.New("bad")))
				continue
			}
			got.add(m.Value)
		}
		return nil
	}))
	start(t, c)
	var a, b []string
	for _, text := range got.wait(t, 129) {
		if strings.HasPrefix(text, "a") {
			a = append(a, text)
		} else {
			b = append(b, text)
		}
	}
	want := numbered("a", 100)
	require.Equal(t, append(want[:50:50], want[51:]...), a)
	require.Equal(t, numbered("b", 30), b)
	require.Positive(t, failed.Load())
	require.Equal(t, "a/50", box.wait(t, 1)[0].Value)
	r.server.WaitCommitted("s", "t", "g", 0, 99)
	r.server.WaitCommitted("s", "t", "g", 1, 29)
}

func TestSecondHandlerAndIterationBesideAHandler(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := r.consumer(quick())
	handler := func(context.Context, *consumer.Message[string]) error { return nil }
	require.Error(t, c.Handle(nil))
	require.NoError(t, c.Handle(handler))
	require.ErrorIs(t, c.Handle(handler), consumer.ErrConsuming)
	start(t, c)
	_, err := c.Next(context.Background())
	require.ErrorIs(t, err, consumer.ErrConsuming)
	for _, last := range c.Messages(context.Background()) {
		err = last
	}
	require.ErrorIs(t, err, consumer.ErrConsuming)
	stop(t, c)
	require.ErrorIs(t, c.Handle(handler), iggyerr.ErrClosed)
}

// bytesBox is for messages of another type.
type bytesBox struct{}

func (bytesBox) DeadLetter(context.Context, topic.Failure[[]byte]) error { return nil }

func (l *unsureLetters) DeadLetter(_ context.Context, f topic.Failure[string]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tries++; l.tries%10 == 0 {
		l.refused++
		return errors.New("not sure")
	}
	l.confirmed[string(f.Payload)]++
	return nil
}
