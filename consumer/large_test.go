package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestLargeMessagesAfterManySmallOnesKeepToTheLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, embedded.WithRetention(-1))
	for p := range uint32(2) {
		for range 10 {
			r.send(p, numbered("small", 500)...)
		}
		for i := range 20 {
			r.send(p, fmt.Sprintf("large/%d/%s", i, strings.Repeat("x", 300_000)))
		}
	}
	cfg := quick()
	cfg.MaxInFlight, cfg.MaxBufferedBytes = 2000, 1<<20
	var most atomic.Int64
	c := r.consumer(cfg)
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

func TestAnswerThatIsTooLargeForTheTimeIsAskedForInPieces(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.iggy.RequestTimeout = 300 * time.Millisecond
	r.send(0, numbered("a", 400)...)
	// Whoever asks for more than 50 gets no answer in time.
	slow := r.server.Inject(iggytest.Silence().On(embedded.PollMessages).When(func(req iggytest.Request) bool {
		return pollCount(req) > 50
	}))
	cfg := quick()
	cfg.MaxInFlight, cfg.BatchSize = 500, 300
	l := newLedger()
	r.worker(cfg, l, 0)
	slow.Wait(1)
	l.wait(t, 50)
}

// pollCount is the number of messages that a poll asks for: it stands before
// the last byte of the request.
func pollCount(r iggytest.Request) uint32 {
	return binary.LittleEndian.Uint32(r.Body[len(r.Body)-5:])
}
