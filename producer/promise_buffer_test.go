package producer_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// messageHeaderSize is what a message takes beside its payload, in bytes.
const messageHeaderSize = 64

// Promise 3: what is buffered and in flight never exceeds the limit. When it is full, callers wait
// until room comes or their contexts end.
func TestPromiseBufferLimitHoldsAndCallersWait(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]struct {
		bytes    config.Bytes
		messages int
	}{
		"bytes":    {64 << 10, 1_000_000},
		"messages": {64 << 20, 64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 2, func(t *testing.T, s *testServer) {
				const fit, all = 64, 300
				gate := make(chan struct{})
				release := sync.OnceFunc(func() { close(gate) })
				t.Cleanup(release) // a failure must not hang
				held := s.server.Inject(iggytest.Do(func(iggytest.Request) { <-gate }).On(embedded.SendMessages))
				cfg := retryForever()
				cfg.MaxBatchBytes, cfg.MaxBatchMessages = 8<<10, 5
				cfg.MaxBufferedBytes, cfg.MaxBufferedMessages = limit.bytes, limit.messages
				p := s.producer(t, cfg)
				payload := string(make([]byte, 1<<10-messageHeaderSize)) // a message takes 1 KiB

				var accepted, confirmed atomic.Int32
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					for range all {
						p.SendAsync(context.Background(), message("", payload), func(r producer.Result) {
							if r.Outcome == producer.Confirmed {
								confirmed.Add(1)
							}
						})
						accepted.Add(1)
					}
				}()
				held.Wait(1)
				require.Eventually(t, func() bool { return p.Status().Waiting == 1 }, waitTimeout, time.Millisecond)
				require.EqualValues(t, fit, accepted.Load(), "no more is taken than fits")
				require.LessOrEqual(t, p.Status().BufferedBytes, int64(limit.bytes))

				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				began := time.Now()
				_, err := p.Send(ctx, message("", payload))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, producer.Failed, producer.OutcomeOf(err))
				require.Less(t, time.Since(began), 5*time.Second)

				var most atomic.Int64
				watched := make(chan struct{})
				go func() {
					defer close(watched)
					for {
						select {
						case <-sent:
							return
						case <-time.After(200 * time.Microsecond):
							most.Store(max(most.Load(), p.Status().BufferedBytes))
						}
					}
				}()
				release()
				<-sent
				<-watched
				require.NoError(t, p.Flush(t.Context()))
				require.EqualValues(t, all, confirmed.Load())
				require.LessOrEqual(t, most.Load(), int64(limit.bytes))
				require.Zero(t, p.Status().BufferedBytes)
				require.Len(t, s.server.Messages("s", "t"), all)
			})
		})
	}
}

// Promise 3: with when_full "fail", callers get an error at once.
func TestPromiseFullBufferFailsAtOnce(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, s *testServer) {
		gate := make(chan struct{})
		release := sync.OnceFunc(func() { close(gate) })
		t.Cleanup(release) // a failure must not hang
		s.server.Inject(iggytest.Do(func(iggytest.Request) { <-gate }).On(embedded.SendMessages))
		cfg := retryForever()
		cfg.MaxBatchBytes, cfg.MaxBufferedBytes, cfg.WhenFull = 8<<10, 16<<10, config.WhenFullFail
		p := s.producer(t, cfg)
		payload := string(make([]byte, 1<<10-messageHeaderSize))
		refused := make(chan error, 40)
		for range 40 {
			p.SendAsync(t.Context(), message("", payload), func(r producer.Result) {
				if r.Err != nil {
					refused <- r.Err
				}
			})
		}
		require.Len(t, refused, 40-16)
		for range 40 - 16 {
			err := <-refused
			require.ErrorIs(t, err, iggyerr.ErrBufferFull)
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
		}
		release()
		require.NoError(t, p.Flush(t.Context()))
		require.Empty(t, refused)
		require.Len(t, s.server.Messages("s", "t"), 16)
	})
}
