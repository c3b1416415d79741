package producer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// addPartitions adds partitions to s/t, as an operator does.
func (s *testServer) addPartitions(t *testing.T, n uint32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	conn, err := sdk.Dialer{}.Dial(ctx, s.server.Embedded().Address(), nil)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.Login(ctx, transport.Credentials{Username: iggytest.Username, Password: iggytest.Password}))
	name := func(s string) iggcon.Identifier {
		return iggcon.Identifier{Kind: iggcon.StringId, Length: len(s), Value: []byte(s)}
	}
	require.NoError(t, sdk.Control(ctx, conn, "create partitions", "s/t", func(c *tcp.IggyTcpClient) error {
		return c.CreatePartitions(name("s"), name("t"), n)
	}))
}

// Promise 2: the order of a key survives a change of the number of partitions, which moves keys to
// other partitions: what was sent earlier is stored earlier.
func TestPromiseOrderSurvivesNewPartitions(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, s *testServer) {
		s.server.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages).Chance(0.1, 1))
		sends := s.server.Inject(iggytest.Observe().On(embedded.SendMessages))
		cfg := retryForever()
		cfg.MaxBatchMessages = 7
		cfg.MetadataInterval = 10 * time.Millisecond
		p := s.producer(t, cfg)

		const keys = 8
		grown, enough := make(chan struct{}), make(chan struct{})
		sent := make([]int, keys)
		var wg sync.WaitGroup
		for k := range keys {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-enough:
						sent[k] = n
						return
					case <-time.After(time.Millisecond):
						p.SendAsync(t.Context(), message(fmt.Sprintf("key-%d", k), fmt.Sprintf("key-%d/%d", k, n)), nil)
					}
				}
			})
		}
		go func() {
			defer close(grown)
			sends.Wait(20)
		}()
		<-grown
		s.addPartitions(t, 3)
		s.server.WaitFor("messages in the new partitions", func() bool {
			n := 0
			for _, m := range s.server.Messages("s", "t") {
				if m.Partition >= 2 {
					n++
				}
			}
			return n >= 20
		})
		close(enough)
		wg.Wait()
		require.NoError(t, p.Flush(t.Context()))

		type key struct {
			k         int
			partition uint32
		}
		next := make([]int, keys)
		last := map[key]time.Time{}
		first := map[key]time.Time{}
		homes := make([][]uint32, keys)
		messages := s.server.Messages("s", "t")
		// A key is in one of the first two partitions and, if it moved, in another one. What moved
		// has the later numbers.
		byKey := make([][]iggytest.Message, keys)
		for _, m := range messages {
			var k, n int
			_, err := fmt.Sscanf(string(m.Payload), "key-%d/%d", &k, &n)
			require.NoError(t, err)
			byKey[k] = append(byKey[k], m)
			at := key{k, m.Partition}
			if _, ok := first[at]; !ok {
				first[at] = m.Timestamp
				homes[k] = append(homes[k], m.Partition)
			}
			last[at] = m.Timestamp
		}
		moved := 0
		for k := range keys {
			require.LessOrEqual(t, len(homes[k]), 2, "partitions of key %d", k)
			if len(homes[k]) == 2 {
				moved++
				from, to := key{k, homes[k][0]}, key{k, homes[k][1]}
				if first[to].Before(first[from]) {
					from, to = to, from
				}
				require.False(t, first[to].Before(last[from]), "key %d was written to two partitions at once", k)
				if to.partition < from.partition { // in the order of time
					n := 0
					for byKey[k][n].Partition == to.partition {
						n++
					}
					byKey[k] = append(byKey[k][n:len(byKey[k]):len(byKey[k])], byKey[k][:n]...)
				}
			}
			for _, m := range byKey[k] {
				var n int
				_, err := fmt.Sscanf(string(m.Payload), fmt.Sprintf("key-%d/%%d", k), &n)
				require.NoError(t, err)
				require.LessOrEqual(t, n, next[k], "message %d of key %d is stored before its predecessor", n, k)
				next[k] = max(next[k], n+1)
			}
			require.Equal(t, sent[k], next[k], "messages of key %d", k)
		}
		require.Positive(t, moved, "no key has moved: the test proves nothing")
	})
}
