package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The headers of a dead letter describe the payload that it has, so that it can be sent again as it
// was.
func TestDeadLetterHeadersDescribeThePayload(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	packed, err := encoding.Append(nil, "gzip", []byte("!garbage"))
	require.NoError(t, err)
	headersOf := func(key, encoding string) []byte {
		return wire.AppendHeader(wire.AppendHeader(nil, key, encoding), "message-type", "m")
	}
	var b wire.Batch
	b.Append([16]byte{1}, 1, packed, headersOf("content-encoding", "gzip"))
	b.Append([16]byte{2}, 1, []byte("!garbage"), headersOf("content-encoding", "br"))
	b.Append([16]byte{3}, 1, packed, headersOf("Content-Encoding", "gzip"))
	e.sendBatch(0, &b)
	letters := make(chan topic.Failure[string], 10)
	c := e.consumer(fastConfig())
	require.NoError(t, c.SetDeadLetters(deadLetterFunc(func(_ context.Context, f topic.Failure[string]) error {
		letters <- f
		return nil
	})))
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	start(t, c)
	defer stop(t, c)
	got := map[byte]topic.Failure[string]{}
	for len(got) < 3 {
		f := received(t, "a dead letter", letters)
		got[f.Origin.ID[0]] = f
	}
	for _, compressed := range []byte{1, 3} {
		require.Equal(t, "!garbage", string(got[compressed].Payload))
		require.Equal(t, []topic.Header{{Key: "message-type", Value: "m"}}, got[compressed].Headers, "it is not compressed any more")
	}
	require.Equal(t, []topic.Header{{Key: "content-encoding", Value: "br"}, {Key: "message-type", Value: "m"}}, got[2].Headers)
}

func TestFailedMessagesGoToTheDeadLetters(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/good", "!not text", "b/fails", "c/permanent", "d/panics", "e/drop", "f/coded", "b/after")
	cfg := fastConfig()
	cfg.Retry.MaxDeliveries = 3
	box := newDeadLetterRecorder()
	c := e.consumer(cfg)
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
	e.server.WaitCommitted("s", "t", "g", 0, 7)
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
	require.ErrorContains(t, failures["d/panics"].Err, "deliver_deadletter_test.go")
	require.Equal(t, "TEST_CODED", failures["f/coded"].Code)

	all := strings.Join(got.all(), " ")
	require.Equal(t, 3, strings.Count(all, "b/fails"))
	require.Greater(t, strings.Index(all, "b/after"), strings.LastIndex(all, "b/fails"), "a key waits for its dead letter")
}

type coded struct{}

func (coded) Error() string { return "coded" }

func (coded) FailureCode() string { return "TEST_CODED" }

func TestPartitionWaitsWhileDeadLettersCannotBeWritten(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	box := newDeadLetterRecorder()
	box.broken = errors.New("disk full")
	c := e.consumer(fastConfig())
	require.NoError(t, c.SetDeadLetters(box))
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	e.send(0, "!malformed")
	box.changed.waitFor(t, "two attempts", func(texts []string) bool { return len(texts) >= 2 })
	e.server.WaitFor("the block", func() bool { return c.Check(context.Background()) != nil })
	require.ErrorContains(t, c.Check(context.Background()), "disk full")
	e.send(0, "a/waits")
	e.send(1, "b/goes")
	require.Equal(t, []string{"b/goes"}, got.wait(t, 1))
	_, committed := e.server.Committed("s", "t", "g", 0)
	require.False(t, committed)
	box.recover()
	got.wait(t, 2)
	e.server.WaitCommitted("s", "t", "g", 0, 1)
	require.NoError(t, c.Check(context.Background()))
	require.Len(t, box.wait(t, 1), 1)
}

func TestDeadLetterRetriesBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		box := newDeadLetterRecorder()
		box.broken = errors.New("no connection")
		c := startInBubbleWithDeadLetters(t, server, nil, box, ignoreMessage)
		server.append(0, "!malformed")
		time.Sleep(10 * time.Minute)
		box.mu.Lock()
		tries := box.tries
		box.mu.Unlock()
		require.Greater(t, tries, 60, "it keeps trying")
		require.Less(t, tries, 80, "and not in a hot loop")
		stored, _ := server.committed()
		require.Empty(t, stored)
		begun := time.Now()
		var stopped *consumer.StopError
		require.ErrorAs(t, c.Stop(context.Background()), &stopped)
		require.Equal(t, 1, stopped.Unfinished)
		require.Equal(t, config.DefaultConsumer("g").DrainTimeout, time.Since(begun).Truncate(time.Second))
	})
}

// Promise 7: what can't be decoded or handled ends in the dead letters with its cause, attempts and
// origin, and its offset is committed only after they have confirmed it.
func TestPromiseOffsetWaitsForTheDeadLetter(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, "a/0", "!garbage", "b/fails", "c/0", "d/panics", "e/0")
		var violations violations
		var open atomic.Bool // the dead letters confirm
		e.onStore(func(_ uint32, offset uint64) {
			if offset > 0 && !open.Load() {
				violations.add("offset %d is committed while message 1 has no dead letter", offset)
			}
		})
		var mu sync.Mutex
		letters, tries := map[uint64]topic.Failure[string]{}, map[uint64]int{}
		waiting := make(chan uint64, 100)
		release := make(chan struct{})
		box := deadLetterFunc(func(ctx context.Context, f topic.Failure[string]) error {
			mu.Lock()
			tries[f.Origin.Offset]++
			first := tries[f.Origin.Offset] == 1
			mu.Unlock()
			if first {
				return errors.New("not now") // an error is no confirmation
			}
			waiting <- f.Origin.Offset
			select {
			case <-release:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			letters[f.Origin.Offset] = f
			return nil
		})
		cfg := fastConfig()
		cfg.CommitInterval = 5 * time.Millisecond
		cfg.Retry.MaxDeliveries = 3
		e.handlingWithDeadLetters(cfg, box, func(_ context.Context, m *consumer.Message[string]) error {
			switch m.Value {
			case "b/fails":
				return fmt.Errorf("attempt %d: %w", m.Deliveries(), errBroken)
			case "d/panics":
				panic("no such thing")
			}
			return nil
		})

		// Messages of other keys may be given up before it.
		for received(t, "the dead letter of message 1", waiting) != 1 {
			continue
		}
		e.server.WaitCommitted("s", "t", "g", 0, 0)
		open.Store(true)
		close(release)
		e.server.WaitCommitted("s", "t", "g", 0, 5)
		violations.none(t)

		mu.Lock()
		defer mu.Unlock()
		require.Len(t, letters, 3)
		for offset, want := range map[uint64]struct {
			payload, code string
			attempts      int
			cause         error
			text          string
		}{
			1: {"!garbage", topic.CodeDecode, 0, nil, "malformed text"},
			2: {"b/fails", topic.CodeHandler, 3, errBroken, "attempt 3"},
			4: {"d/panics", topic.CodePanic, 3, nil, "no such thing"},
		} {
			f := letters[offset]
			require.Equal(t, want.payload, string(f.Payload))
			require.Equal(t, want.code, f.Code)
			require.Equal(t, want.attempts, f.Attempts)
			require.Equal(t, want.attempts > 0, f.Decoded)
			require.ErrorContains(t, f.Err, want.text)
			if want.cause != nil {
				require.ErrorIs(t, f.Err, want.cause)
			}
			require.Equal(t, topic.Origin{
				Stream: "s", Topic: "t", Partition: 0, Offset: offset, Group: "g", ID: f.Origin.ID, Timestamp: f.Origin.Timestamp,
			}, f.Origin)
			require.NotZero(t, f.Origin.ID)
			require.WithinDuration(t, time.Now(), f.Origin.Timestamp, time.Minute)
		}
	})
}

// Promise 7: without dead letters, a message is counted and skipped, and those after
// it follow.
func TestPromiseMessageIsSkippedWithoutDeadLetters(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, "!garbage", "a/fails", "b/0")
		cfg := fastConfig()
		cfg.Retry.MaxDeliveries = 2
		got := newSeen()
		e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			got.add(m.Value)
			if m.Value == "a/fails" {
				return errBroken
			}
			return nil
		})
		e.server.WaitCommitted("s", "t", "g", 0, 2)
		require.ElementsMatch(t, []string{"a/fails", "a/fails", "b/0"}, got.all())
	})
}

// Promise 7: while the dead letters are unavailable nothing is lost, offsets wait, and the consumer
// is not ready. Afterwards each failed message is in the dead letters.
func TestPromiseDeadLettersUnavailableForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(2)
		for p := range 2 {
			server.append(p, "a/0", "!garbage", "b/0", "c/bad", "d/0")
		}
		back := time.Now().Add(time.Minute)
		var mu sync.Mutex
		var violations violations
		letters, tries := map[location]string{}, 0
		box := deadLetterFunc(func(_ context.Context, f topic.Failure[string]) error {
			mu.Lock()
			defer mu.Unlock()
			if tries++; time.Now().Before(back) {
				return errors.New("the topic is away")
			}
			at := location{f.Origin.Partition, f.Origin.Offset}
			if _, ok := letters[at]; ok {
				violations.add("%v is there twice", at)
			}
			letters[at] = string(f.Payload)
			return nil
		})
		all := newDeliveryCount()
		c := startInBubbleWithDeadLetters(t, server, nil, box, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value == "c/bad" {
				return consumer.Permanent(errBroken)
			}
			all.add(locationOf(m))
			return nil
		})
		time.Sleep(50 * time.Second)
		stored, _ := server.committed()
		require.Equal(t, map[uint32]uint64{0: 0, 1: 0}, stored, "offsets wait")
		require.ErrorContains(t, c.Check(t.Context()), "waits for the dead letters")
		server.append(0, "e/0")
		time.Sleep(time.Minute)
		stored, _ = server.committed()
		require.Equal(t, map[uint32]uint64{0: 5, 1: 4}, stored)
		require.NoError(t, c.Check(t.Context()))
		mu.Lock()
		require.Equal(t, map[location]string{
			{0, 1}: "!garbage", {0, 3}: "c/bad", {1, 1}: "!garbage", {1, 3}: "c/bad",
		}, letters)
		require.Less(t, tries, 100, "attempts come with pauses")
		mu.Unlock()
		require.NoError(t, c.Stop(t.Context()))
		require.Zero(t, all.repeats())
		require.Len(t, all.times, 7)
		violations.none(t)
	})
}

// unreliableDeadLetters confirms nine of ten.
type unreliableDeadLetters struct {
	deadLetterRecorder
	confirmed map[string]int
	refused   int
}

func (l *unreliableDeadLetters) DeadLetter(_ context.Context, f topic.Failure[string]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tries++; l.tries%10 == 0 {
		l.refused++
		return errors.New("not sure")
	}
	l.confirmed[string(f.Payload)]++
	return nil
}

func TestFailingMessagesDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	poison := min(stressSize(1000), 10000)
	e := newTestEnv(t, 4)
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
			e.send(p, texts...)
		}
	}
	cfg := fastConfig()
	cfg.Retry.MaxDeliveries = 2
	cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff = time.Millisecond, 2*time.Millisecond
	box := &unreliableDeadLetters{confirmed: map[string]int{}}
	log := newHandlerLog()
	c := e.consumer(cfg)
	require.NoError(t, c.SetDeadLetters(box))
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if m.Value[0] == 'b' {
			return errors.New("bad")
		}
		log.begin(m.Value)
		log.done(m.Value)
		return nil
	}))
	start(t, c)
	sent := int(e.written.Load())
	log.wait(t, good)
	for p := range uint32(4) {
		e.server.WaitCommitted("s", "t", "g", p, uint64(sent/4-1))
	}
	require.Zero(t, log.doubled)
	box.mu.Lock()
	defer box.mu.Unlock()
	require.Len(t, box.confirmed, sent-good)
	for text, n := range box.confirmed {
		require.Equal(t, 1, n, text)
	}
	t.Logf("%d messages, %d in the dead letters, %d refusals on the way", sent, len(box.confirmed), box.refused)
}
