package transporttest

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// delayedAck is how long Linux may hold back an acknowledgement.
const delayedAck = 40 * time.Millisecond

// Requests that are sent together on an idle connection are answered together. A server without
// TCP_NODELAY, as Iggy is by default, holds back all answers but the first until that one is
// acknowledged.
func testBurst(t *testing.T, b *serverSuite) {
	if runtime.GOOS != "linux" {
		t.Skip("acknowledging at once is known on Linux only")
	}
	const requests, rounds = 8, 50
	_, stream, topic := b.topic(t, requests)
	c := b.login(t)
	best := waitTimeout
	for range rounds {
		start := time.Now()
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() { assert.NoError(t, c.Send(within(t), stream, topic, uint32(i), batchOf("x"))) })
		}
		wg.Wait()
		best = min(best, time.Since(start))
	}
	require.Less(t, best, delayedAck)
}
