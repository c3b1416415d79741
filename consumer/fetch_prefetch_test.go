package consumer_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestPrefetchLimitIsExceededByOneMessageEachAtMost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const messages, bytes = 20, 1000
		n := rapid.IntRange(1, 5).Draw(t, "partitions")
		l := consumer.NewPrefetch(messages, bytes, n)
		held := make([]int, n)
		heldMessages := make([]int, n)
		t.Repeat(map[string]func(*rapid.T){
			"poll": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				gotMessages, gotBytes := l.Reserve(p, rapid.IntRange(1, 30).Draw(t, "messages"), rapid.IntRange(1, 2000).Draw(t, "bytes"))
				require.Equal(t, gotMessages == 0, gotBytes == 0)
				if held[p] == 0 && heldMessages[p] == 0 {
					require.Positive(t, gotMessages, "one that holds nothing may go on")
				}
				if gotMessages == 0 {
					return
				}
				came := rapid.IntRange(0, gotBytes).Draw(t, "came")
				l.Adjust(p, gotMessages, gotBytes, gotMessages, came)
				held[p] += came
				heldMessages[p] += gotMessages
			},
			"give": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				l.Release(p, heldMessages[p], held[p])
				held[p], heldMessages[p] = 0, 0
			},
			"": func(t *rapid.T) {
				sum, sumMessages := 0, 0
				for i := range held {
					sum, sumMessages = sum+held[i], sumMessages+heldMessages[i]
				}
				usedMessages, usedBytes := l.Used()
				require.Equal(t, sumMessages, usedMessages)
				require.Equal(t, sum, usedBytes)
				require.LessOrEqual(t, usedMessages, messages+n)
				require.LessOrEqual(t, usedBytes, bytes+n)
			},
		})
	})
}

func TestLargeMessagesAfterSmallOnesKeepTheByteLimit(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2, embedded.WithRetention(-1))
	for p := range uint32(2) {
		for range 10 {
			e.send(p, numbered("small", 500)...)
		}
		for i := range 20 {
			e.send(p, fmt.Sprintf("large/%d/%s", i, strings.Repeat("x", 300_000)))
		}
	}
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.MaxBufferedBytes = 2000, 1<<20
	var most atomic.Int64
	c := e.consumer(cfg)
	handled := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if strings.HasPrefix(m.Value, "large") {
			held := c.Status().BufferedBytes
			for old := most.Load(); held > old && !most.CompareAndSwap(old, held); old = most.Load() {
				continue
			}
			handled.add(fmt.Sprint(m.Partition(), m.Value[:10]))
		}
		return nil
	}))
	start(t, c)
	handled.wait(t, 40)
	stop(t, c)
	require.Len(t, handled.all(), 40)
	require.LessOrEqual(t, most.Load(), int64(1<<20+2*300_100), "a message more for each partition")
	t.Logf("%d bytes at most", most.Load())
}
