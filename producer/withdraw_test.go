package producer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// Messages whose callers have gone release their room at once, even while the server does not
// answer.
func TestWithdrawnMessagesReleaseTheirRoom(t *testing.T) {
	t.Parallel()
	const limit, size = 1 << 20, 8 << 10
	for name, change := range map[string]func(*config.Producer){
		"open batch":     func(*config.Producer) {},
		"queued batches": func(c *config.Producer) { c.MaxBatchBytes = 3 * size },
		"lingering":      func(c *config.Producer) { c.Linger = 50 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(c *config.Producer) {
				c.MaxBufferedBytes, c.MaxBatchBytes, c.WhenFull = limit, limit, config.WhenFullFail
				change(c)
			}, func(t *testing.T, s *server, p *producer.Producer) {
				s.set(func() { s.delay = 6 * time.Second })
				p.SendAsync(t.Context(), message("k", "in flight"), nil)
				synctest.Wait()
				before := p.Status()
				payload := string(make([]byte, size-messageHeaderSize))
				for round := range 5 {
					ctx, cancel := context.WithCancel(t.Context())
					var waiting sync.WaitGroup
					for range limit/size - 1 {
						waiting.Go(func() {
							require.Equal(t, producer.Failed, producer.OutcomeOf(errOf(p.Send(ctx, message("k", payload)))), "round %d", round)
						})
					}
					synctest.Wait()
					require.EqualValues(t, limit/size, p.Status().BufferedMessages, "round %d", round)
					cancel()
					waiting.Wait()
					require.Equal(t, before.BufferedBytes, p.Status().BufferedBytes)
					require.Equal(t, before.BufferedMessages, p.Status().BufferedMessages)
				}
				// Another partition gets the memory, too, but for what is kept at hand.
				var failed int
				for range limit / size / 2 {
					p.SendAsync(t.Context(), message("another", payload), func(r producer.Result) {
						if r.Err != nil {
							failed++
						}
					})
				}
				s.set(func() { s.delay = 0 })
				require.NoError(t, p.Flush(t.Context()))
				require.Zero(t, failed)
				require.Equal(t, []string{"in flight"}, s.payloads("t", wire.PartitionOf("k", 4)))
				require.Zero(t, p.Status().BufferedBytes)
				require.Zero(t, p.Status().BufferedMessages)
			})
		})
	}
}

// The remaining messages of a batch keep their order, their outcomes and the possibility to
// withdraw them.
func TestWithdrawalKeepsOtherMessages(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.MaxBatchMessages = 7 }, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = 6 * time.Second })
		p.SendAsync(t.Context(), message("k", "in flight"), nil)
		synctest.Wait()
		const messages = 60
		var cancels [messages]context.CancelFunc
		var results [messages]error
		var waiting sync.WaitGroup
		want := []string{"in flight"}
		for i := range messages {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cancels[i] = cancel
			name := fmt.Sprintf("%02d", i)
			if i%5 == 0 { // it does not wait, and stays
				p.SendAsync(t.Context(), message("k", name), nil)
				want = append(want, name)
				continue
			}
			if i%5 == 4 {
				want = append(want, name)
			}
			waiting.Go(func() { results[i] = errOf(p.Send(ctx, message("k", name))) })
			synctest.Wait()
		}
		for _, rest := range []int{2, 1, 3} {
			for i := rest; i < messages; i += 5 {
				cancels[i]()
				synctest.Wait()
			}
		}
		waiting.Wait()
		require.NoError(t, p.Flush(t.Context()))
		for i, err := range results {
			if i%5 == 0 || i%5 == 4 {
				require.NoError(t, err)
			} else {
				require.Equal(t, producer.Failed, producer.OutcomeOf(err))
			}
		}
		require.Equal(t, want, s.payloads("t", wire.PartitionOf("k", 4)))
		require.Zero(t, p.Status().BufferedBytes)
		require.Zero(t, p.Status().BufferedMessages)
	})
}

// A flush waits for the remaining messages only, and so does a change of the partitions.
func TestFlushAfterWithdrawal(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.Linger = 30 * time.Second }, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "first"))))
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan error)
		go func() { sent <- errOf(p.Send(ctx, message("k", "withdrawn"))) }()
		synctest.Wait()
		cancel()
		require.Error(t, <-sent)
		began := time.Now()
		require.NoError(t, p.Flush(t.Context()))
		require.Zero(t, time.Since(began))

		s.partitions("t", 8) // noticed within the interval for metadata: a new epoch, which waits for the last one
		time.Sleep(40 * time.Second)
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "second"))))
		require.Zero(t, p.Status().BufferedMessages)
	})
}
