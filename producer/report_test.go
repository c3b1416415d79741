package producer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestCallbackMayPanicAndSend(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		got := make(outcomes, 10)
		for i := range 3 {
			p.SendAsync(t.Context(), message("k", fmt.Sprint(i)), func(r producer.Result) {
				got <- r
				if i == 1 {
					panic(errors.New("boom"))
				}
				p.SendAsync(context.Background(), message("k", "again"), func(r producer.Result) { got <- r })
			})
		}
		for _, r := range got.wait(t, 5) {
			require.Equal(t, producer.Confirmed, r.Outcome)
		}
		require.ErrorIs(t, p.Status().LastError, iggyerr.ErrPanic)
	})
}

// The callback of a refused message runs in the caller's goroutine. Its panic does not reach the
// caller.
func TestPanicInCallbackOfRefusedMessage(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.partitions("t", 1)
	p := start(t, s, nil)
	defer func() { require.NoError(t, p.Stop(context.Background())) }()
	calls := 0
	require.NotPanics(t, func() {
		p.SendAsync(t.Context(), message("k", ""), func(producer.Result) { calls++; panic("callback") })
	})
	require.Equal(t, 1, calls)
	var failure *iggyerr.PanicError
	require.ErrorAs(t, p.Status().LastError, &failure)
}

// A callback that ends its goroutine, as a test's FailNow does, does not end the partition's
// sender: the messages behind it get their outcomes, and Stop returns.
func TestGoexitInCallback(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *server){
		"confirmed": func(*server) {},
		"given up":  func(s *server) { s.faults = always(unauthorized) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
				s.set(func() { s.delay = time.Second; spoil(s) })
				got := make(outcomes, 100)
				for i := range 100 {
					p.SendAsync(t.Context(), message("k", strconv.Itoa(i)), func(r producer.Result) {
						got <- r
						if i%7 == 0 {
							runtime.Goexit()
						}
					})
				}
				require.NoError(t, p.Flush(t.Context()))
				require.Len(t, got, 100)
				require.ErrorContains(t, p.Status().LastError, "Goexit")
				require.Zero(t, p.Status().BufferedMessages)
				began := time.Now()
				_ = p.Stop(t.Context())
				require.Zero(t, time.Since(began))
			})
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				p.SendAsync(t.Context(), message("k", ""), func(producer.Result) { runtime.Goexit() })
			}()
			<-ended
			require.ErrorContains(t, p.Status().LastError, "Goexit")
		})
	})
}

// A sender whose goroutine a callback ends is replaced: each result is reported once, and in order.
func TestGoexitInEachCallback(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.MaxBatchMessages, c.DeliveryTimeout = 3, time.Hour }, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(func(string, uint32, [][16]byte) fault {
			return []fault{succeed, failUnstored, succeed, cutStored}[s.requests%4]
		})
		var mu sync.Mutex
		var sent, told []string
		for i := range 200 {
			payload := strconv.Itoa(i)
			sent = append(sent, payload)
			p.SendAsync(t.Context(), message("k", payload), func(producer.Result) {
				mu.Lock()
				told = append(told, payload)
				mu.Unlock()
				switch i % 3 {
				case 0:
					runtime.Goexit()
				case 1:
					defer runtime.Goexit()
					panic("first")
				default:
					defer func() { panic("last") }()
					runtime.Goexit()
				}
			})
			if i%10 == 0 {
				synctest.Wait()
			}
		}
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, sent, told)
		require.Equal(t, sent, distinct(s.payloads("t", wire.PartitionOf("k", 4))))
		require.Zero(t, p.Status().BufferedBytes)
		require.EqualValues(t, 200, p.Status().Confirmed)

		s.fail(always(succeed))
		p.SendAsync(t.Context(), message("k", "last"), func(producer.Result) { runtime.Goexit() })
		require.NoError(t, p.Stop(t.Context()))
	})
}

// distinct removes repetitions.
func distinct(all []string) (kept []string) {
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[s] {
			kept = append(kept, s)
		}
		seen[s] = true
	}
	return kept
}

func TestDeliveryTimeout(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.DeliveryTimeout = 30 * time.Second; c.Retry.MaxRetries = -1 }
	t.Run("without a connection", func(t *testing.T) {
		t.Parallel()
		run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
			require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
			s.cut()
			started := time.Now()
			_, err := p.Send(t.Context(), message("k", "x"))
			require.ErrorIs(t, err, iggyerr.ErrDeliveryTimeout)
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
			require.Equal(t, 30*time.Second, time.Since(started))
			var failure *producer.SendError
			require.ErrorAs(t, err, &failure)
			require.LessOrEqual(t, failure.Attempts, 1, "waiting for a connection is no attempt")
			s.restore()
			require.NoError(t, errOf(p.Send(t.Context(), message("k", "y"))))
			require.Equal(t, []string{"x", "y"}, s.payloads("t", wire.PartitionOf("k", 4)), "what failed was not stored")
		})
	})
	t.Run("of a server that stalls", func(t *testing.T) {
		t.Parallel()
		run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
			s.fail(always(stallUnstored))
			started := time.Now()
			_, err := p.Send(t.Context(), message("k", "x"))
			require.ErrorIs(t, err, iggyerr.ErrDeliveryTimeout)
			require.Equal(t, producer.Unknown, producer.OutcomeOf(err))
			require.Equal(t, 30*time.Second, time.Since(started))
			require.Greater(t, s.count(&s.dials), 2, "each stalled connection was replaced")
		})
	})
	t.Run("is each message's own", func(t *testing.T) {
		t.Parallel()
		run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
			require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
			s.cut()
			type timed struct {
				producer.Result
				after time.Duration
			}
			got := make(chan timed, 10)
			send := func() {
				started := time.Now()
				p.SendAsync(t.Context(), message("k", "x"), func(r producer.Result) { got <- timed{r, time.Since(started)} })
			}
			send()
			time.Sleep(time.Second) // the first is taken by the sender
			send()
			time.Sleep(10 * time.Second)
			send() // shares a batch with the one before
			time.Sleep(15 * time.Second)
			send() // this one is in time
			for i := range 3 {
				r := <-got
				require.Equal(t, producer.Failed, r.Outcome, i)
				require.Equal(t, 30*time.Second, r.after, i)
			}
			s.restore()
			require.Equal(t, producer.Confirmed, (<-got).Outcome)
		})
	})
}
