package consumer_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

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
