package consumer_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// slowCodec is a codec of texts that blocks before it decodes one of them for the first time.
type slowCodec struct {
	textCodec
	text    string
	reached chan struct{} // gets a value when the text is to be decoded
	release chan struct{} // closed when it may be
}

func newSlowCodec(text string) slowCodec {
	return slowCodec{text: text, reached: make(chan struct{}, 1), release: make(chan struct{})}
}

func (c slowCodec) Decode(b []byte, headers topic.Headers) (string, error) {
	if string(b) == c.text {
		select {
		case c.reached <- struct{}{}:
		default:
		}
		<-c.release
	}
	return c.textCodec.Decode(b, headers)
}

// A partition that drains and resumes while messages are being decoded discards those behind them
// in the log and reads them again. The messages being decoded must be discarded, too: otherwise
// they would be delivered first, and their acknowledgement would commit the others.
func TestPartitionContinuesDuringDecoding(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	const messages = 300
	e.send(0, numbered("a", messages)...)
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.Concurrency, cfg.CommitInterval = messages, 4, 5*time.Millisecond
	codec := newSlowCodec("a/128") // the first of the second chunk
	key := topic.Key(func(string) string { return "a" })
	c, err := consumer.New(e.iggy, cfg, topic.New(e.stream, "t", topic.Codec[string](codec), key), consumer.WithLogger(logger(t)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	first := make(chan struct{})
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		if m.Value == "a/0" {
			<-first // the others of its key wait behind it
		}
		return nil
	}))
	start(t, c)
	received(t, "the second chunk", codec.reached)

	leaving := func() bool { return c.Status().Partitions[0].Leaving }
	notice := transport.Group{Stream: e.stream, Topic: "t", Name: "g.balance"}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	require.NoError(t, e.conn.Join(ctx, notice))
	eventually(t, "the partition finishes", leaving)
	require.NoError(t, e.conn.Leave(ctx, notice))
	eventually(t, "the partition goes on", func() bool { return !leaving() })
	close(codec.release)
	close(first)
	got.waitFor(t, "all messages", func(texts []string) bool { return len(texts) >= messages })
	for i, text := range got.all()[:messages] {
		require.Equal(t, fmt.Sprint("a/", i), text)
	}
	e.server.WaitCommitted("s", "t", "g", 0, messages-1)
	stop(t, c)
	require.Len(t, got.all(), messages)
}

// Promise 6: without commits nothing is delivered beyond the bound, so that a crash redelivers no
// more than that.
func TestPromiseDeliveryWaitsForCommits(t *testing.T) {
	t.Parallel()
	overTransports(t, 3, func(t *testing.T, e *transportEnv) {
		const each, partitions, window, every = 100, 3, 8, 12
		for p := range uint32(partitions) {
			e.send(p, numbered("", each)...)
		}
		refused := e.server.Inject(iggytest.Answer(13000).On(embedded.StoreOffset).When(func(req iggytest.Request) bool {
			return binary.LittleEndian.Uint64(req.Body[len(req.Body)-8:]) < 1<<61
		}))
		cfg := fastConfig()
		cfg.MaxInFlight, cfg.CommitEvery = window, every
		all := newDeliveryCount()
		e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.add(locationOf(m))
			return nil
		})
		all.wait(t, partitions*(window+every))
		refused.Wait(refused.Count() + 2*partitions)
		all.mu.Lock()
		require.Len(t, all.times, partitions*(window+every))
		all.mu.Unlock()
		refused.Remove()
		all.wait(t, partitions*each)
		require.Zero(t, all.repeats())
	})
}

// Promise 5: at most max_in_flight messages are with the application. Those of a key are handled
// one at a time and in order, also with failures, lost connections and rebalances, and other keys
// continue meanwhile.
func TestPromiseInFlightLimitAndKeyOrder(t *testing.T) {
	t.Parallel()
	overTransports(t, 4, func(t *testing.T, e *transportEnv) {
		const keys, each, window = 5, 40, 6
		for p := range uint32(4) {
			var texts []string
			for n := range each {
				for k := range keys {
					texts = append(texts, fmt.Sprintf("p%d-k%d/%d", p, k, n))
				}
			}
			e.send(p, texts...)
		}
		cut := []*iggytest.Injection{
			e.server.Inject(iggytest.Cut().AfterEffect().On(embedded.PollMessages).Chance(0.02, 1)),
			e.server.Inject(iggytest.Cut().On(embedded.StoreOffset).Chance(0.02, 2)),
		}
		e.server.Inject(iggytest.Do(func(iggytest.Request) { _ = e.server.Rebalance("s", "t", "g") }).On(embedded.StoreOffset).Skip(10).Times(1))

		cfg := fastConfig()
		cfg.MaxInFlight = window
		cfg.Retry.MaxDeliveries = -1
		var mu sync.Mutex
		var violations violations
		busy, next := map[string]int{}, map[string]int{}
		with, most := 0, 0
		all := newDeliveryCount()
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			var p, k, n int
			if _, err := fmt.Sscanf(m.Value, "p%d-k%d/%d", &p, &k, &n); err != nil {
				return consumer.Permanent(err)
			}
			key := m.Key()
			mu.Lock()
			with++
			most = max(most, with)
			if busy[key]++; busy[key] > 1 {
				violations.add("key %s is handled %d times at once", key, busy[key])
			}
			if n > next[key] {
				violations.add("message %d of key %s came before message %d", n, key, next[key])
			}
			mu.Unlock()
			time.Sleep(200 * time.Microsecond) // the handler's work
			fails := n%10 == k && m.Deliveries() < 3
			mu.Lock()
			with--
			busy[key]--
			if !fails {
				next[key] = max(next[key], n+1)
			}
			mu.Unlock()
			if fails {
				return errors.New("not yet")
			}
			all.add(locationOf(m))
			return nil
		})
		all.wait(t, 4*keys*each)
		for _, fault := range cut { // a stop without a connection can't commit
			fault.Remove()
		}
		eventually(t, "the consumer to be in order", func() bool {
			s := c.Status()
			return s.Joined && len(s.Partitions) == 4 && s.InFlight == 0 && s.Lag == 0
		})
		stop(t, c)
		violations.none(t)
		require.LessOrEqual(t, most, window)
		require.Greater(t, most, 1, "keys are handled side by side")
	})
}

// Promise 5: no more than max_in_flight messages are with the application, also while others are
// delivered again: one that waits for its redelivery is not in flight.
func TestPromiseInFlightLimitHoldsForRedeliveries(t *testing.T) {
	t.Parallel()
	overTransports(t, 3, func(t *testing.T, e *transportEnv) {
		const each, window = 100, 5
		for p := range uint32(3) {
			e.send(p, numbered("", each)...)
		}
		cfg := fastConfig()
		cfg.MaxInFlight = window
		cfg.Retry.MaxDeliveries = -1
		var mu sync.Mutex
		var violations violations
		held, most := map[location]bool{}, 0
		all := newDeliveryCount()
		e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			mu.Lock()
			held[locationOf(m)] = true
			if most = max(most, len(held)); len(held) > window {
				violations.add("%d messages are with the application", len(held))
			}
			mu.Unlock()
			runtime.Gosched()
			mu.Lock()
			defer mu.Unlock()
			delete(held, locationOf(m))
			if m.Deliveries() <= int(m.Offset()%3) {
				return errors.New("not yet")
			}
			all.add(locationOf(m))
			return nil
		})
		all.wait(t, 3*each)
		violations.none(t)
		require.Greater(t, most, 1)
	})
}

// Promise 5: messages that wait long for their redelivery hold nothing but their keys.
func TestPromiseWaitingMessagesHoldNothingButTheirKeys(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		const waiting, window = 8, 4
		for i := range waiting {
			e.send(0, fmt.Sprintf("wait%d/0", i), fmt.Sprintf("wait%d/1", i))
		}
		e.send(0, numbered("go", 100)...)
		cfg := fastConfig()
		cfg.MaxInFlight = window
		all := newDeliveryCount()
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if strings.HasPrefix(m.Value, "wait") {
				if strings.HasSuffix(m.Value, "/1") {
					t.Errorf("%s overtook the message before it", m.Value)
				}
				return consumer.RetryAfter(time.Hour, errors.New("busy"))
			}
			all.add(locationOf(m))
			return nil
		})
		all.wait(t, 100)
		eventually(t, "the waiting ones only wait", func() bool {
			s := c.Status()
			return s.Waiting == waiting && s.InFlight == 0
		})
	})
}
