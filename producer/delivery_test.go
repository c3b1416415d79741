package producer_test

import (
	"context"
	"errors"
	"fmt"
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

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		faults   []fault
		retries  int
		outcome  producer.Outcome
		attempts int
		copies   int // in the log
		cause    error
	}{
		"confirmed at once":             {nil, 2, producer.Confirmed, 1, 1, nil},
		"not sent, then confirmed":      {[]fault{cutBefore}, 2, producer.Confirmed, 2, 1, nil},
		"answer lost, sent again":       {[]fault{cutStored}, 2, producer.Confirmed, 2, 2, nil},
		"sent, not stored, sent again":  {[]fault{cutUnstored}, 2, producer.Confirmed, 2, 1, nil},
		"retries used up, never sent":   {[]fault{cutBefore, cutBefore, cutBefore}, 2, producer.Failed, 3, 0, nil},
		"retries used up, perhaps sent": {[]fault{cutBefore, cutUnstored, cutBefore}, 2, producer.Unknown, 3, 0, nil},
		"no retries, answer lost":       {[]fault{cutStored}, 0, producer.Unknown, 1, 1, nil},
		"no retries, never sent":        {[]fault{cutBefore}, 0, producer.Failed, 1, 0, nil},
		"refused for good":              {[]fault{forbids}, 2, producer.Failed, 1, 0, nil},
		"refused after a lost answer":   {[]fault{cutStored, forbids}, 2, producer.Unknown, 2, 1, nil},
		"the server can't tell":         {[]fault{storesRefusing}, 0, producer.Unknown, 1, 1, nil},
		"without end":                   {[]fault{cutBefore, cutBefore, cutBefore, cutBefore, cutBefore}, -1, producer.Confirmed, 6, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := func(c *config.Producer) { c.Retry.MaxRetries = tt.retries }
			run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
				s.fail(first(tt.faults...))
				err := p.Send(t.Context(), message("k", "x"))
				require.Equal(t, tt.outcome, producer.OutcomeOf(err))
				got := s.stored("t", wire.PartitionOf("k", 4))
				require.Len(t, got, tt.copies)
				for _, m := range got {
					require.Equal(t, got[0], stored{m.id, m.payload, m.headers, got[0].order}, "the same bytes and id")
				}
				require.Equal(t, tt.attempts, s.count(&s.requests))
				if err != nil {
					var failure *producer.SendError
					require.ErrorAs(t, err, &failure)
					require.Equal(t, tt.attempts, failure.Attempts)
					require.EqualValues(t, wire.PartitionOf("k", 4), failure.Partition)
					require.ErrorContains(t, err, "s/t")
					require.ErrorContains(t, err, tt.outcome.String())
				}
				require.EqualValues(t, tt.attempts-1, p.Status().Retries)
			})
		})
	}
}

func TestAFailedBatchGoesAgainBeforeLaterOnes(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.MaxBatchMessages = 2 }
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(first(cutUnstored, refuses, cutBefore, works, cutUnstored))
		s.set(func() { s.delay = time.Second })
		for i := range 9 {
			p.SendAsync(t.Context(), message("k", fmt.Sprint(i)), nil)
		}
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8"}, s.payloads("t", wire.PartitionOf("k", 4)))
	})
}

func TestDeliveryTimeout(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.DeliveryTimeout = 30 * time.Second; c.Retry.MaxRetries = -1 }
	t.Run("without a connection", func(t *testing.T) {
		t.Parallel()
		run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
			require.NoError(t, p.Send(t.Context(), message("k", "x")))
			s.cut()
			started := time.Now()
			err := p.Send(t.Context(), message("k", "x"))
			require.ErrorIs(t, err, iggyerr.ErrDeliveryTimeout)
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
			require.Equal(t, 30*time.Second, time.Since(started))
			var failure *producer.SendError
			require.ErrorAs(t, err, &failure)
			require.LessOrEqual(t, failure.Attempts, 1, "waiting for a connection is no attempt")
			s.mend()
			require.NoError(t, p.Send(t.Context(), message("k", "y")))
			require.Equal(t, []string{"x", "y"}, s.payloads("t", wire.PartitionOf("k", 4)), "what failed was not stored")
		})
	})
	t.Run("of a server that stalls", func(t *testing.T) {
		t.Parallel()
		run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
			s.fail(always(stallsUnsaved))
			started := time.Now()
			err := p.Send(t.Context(), message("k", "x"))
			require.ErrorIs(t, err, iggyerr.ErrDeliveryTimeout)
			require.Equal(t, producer.Unknown, producer.OutcomeOf(err))
			require.Equal(t, 30*time.Second, time.Since(started))
			require.Greater(t, s.count(&s.dials), 2, "each stalled connection was replaced")
		})
	})
	t.Run("is each message's own", func(t *testing.T) {
		t.Parallel()
		run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
			require.NoError(t, p.Send(t.Context(), message("k", "x")))
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
			s.mend()
			require.Equal(t, producer.Confirmed, (<-got).Outcome)
		})
	})
}

func TestContextEndsTheWait(t *testing.T) {
	t.Parallel()
	errMine := errors.New("my cause")
	t.Run("of a message that was sent", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			s.set(func() { s.delay = time.Minute / 10 })
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
			defer cancel()
			started := time.Now()
			err := p.Send(ctx, message("k", "x"))
			require.ErrorIs(t, err, errMine)
			require.Equal(t, producer.Unknown, producer.OutcomeOf(err))
			require.Equal(t, time.Second, time.Since(started))
			require.NoError(t, p.Flush(t.Context()))
			require.EqualValues(t, 1, p.Status().Confirmed, "it stays on its way")
		})
	})
	t.Run("of a message that was not", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			s.set(func() { s.delay = time.Minute / 10 })
			p.SendAsync(t.Context(), message("k", "before"), nil)
			synctest.Wait()
			p.SendAsync(t.Context(), message("k", "beside"), nil)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
			defer cancel()
			err := p.Send(ctx, message("k", "withdrawn"))
			require.ErrorIs(t, err, errMine)
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
			err = p.SendAll(ctx, message("k", "x"), message("k", "y"))
			require.ErrorIs(t, err, errMine)
			p.SendAsync(t.Context(), message("k", "after"), nil)
			require.NoError(t, p.Flush(t.Context()))
			require.Equal(t, []string{"before", "beside", "after"}, s.payloads("t", wire.PartitionOf("k", 4)))
			require.EqualValues(t, 3, p.Status().Confirmed)
			require.EqualValues(t, 3, p.Status().Failed)
			require.Zero(t, p.Status().BufferedMessages)
			require.Zero(t, p.Status().BufferedBytes)
		})
	})
	t.Run("of several", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			s.set(func() { s.delay = time.Minute / 10 })
			p.SendAsync(t.Context(), message("k", "before"), nil)
			synctest.Wait()
			sent := message("", "sent")
			sent.Partition = producer.OnPartition((wire.PartitionOf("k", 4) + 1) % 4)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
			defer cancel()
			err := p.SendAll(ctx, sent, message("k", "withdrawn"))
			var all *producer.SendAllError
			require.ErrorAs(t, err, &all)
			require.ErrorIs(t, err, errMine)
			require.Equal(t, producer.Unknown, all.Results[0].Outcome)
			require.Equal(t, producer.Failed, all.Results[1].Outcome)
		})
	})
	t.Run("for the metadata", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			s.cut()
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
			defer cancel()
			started := time.Now()
			err := p.Send(ctx, message("k", "x"))
			require.ErrorIs(t, err, errMine)
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
			require.Equal(t, time.Second, time.Since(started))
		})
	})
	t.Run("that has ended before", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errMine)
			require.ErrorIs(t, p.Send(ctx, message("k", "x")), errMine)
			require.Zero(t, s.count(&s.requests))
		})
	})
}

func TestCeilings(t *testing.T) {
	t.Parallel()
	size := int64(wire.EncodedSize(100, 0))
	big := func() producer.Message { return message("k", string(make([]byte, 100))) }
	for name, change := range map[string]func(*config.Producer){
		"of bytes":    func(c *config.Producer) { c.MaxBufferedBytes = config.Bytes(10*size + size/2) },
		"of messages": func(c *config.Producer) { c.MaxBufferedMessages = 10 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
				s.set(func() { s.delay = time.Second })
				for range 10 {
					p.SendAsync(t.Context(), big(), nil)
				}
				require.Equal(t, 10*size, p.Status().BufferedBytes, "also what is in flight")
				require.EqualValues(t, 10, p.Status().BufferedMessages)

				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				err := p.Send(ctx, big())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "room in the producer's buffer")
				require.Equal(t, producer.Failed, producer.OutcomeOf(err))

				started := time.Now()
				p.SendAsync(t.Context(), big(), nil)
				require.Equal(t, time.Second/2, time.Since(started), "the first answer makes room")
				require.NoError(t, p.Flush(t.Context()))
				require.Zero(t, p.Status().BufferedBytes)
				require.Zero(t, p.Status().BufferedMessages)
				require.Len(t, s.stored("t", wire.PartitionOf("k", 4)), 11)
			})
		})
		t.Run(name+", fail", func(t *testing.T) {
			t.Parallel()
			change := func(c *config.Producer) { change(c); c.WhenFull = config.WhenFullFail }
			run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
				s.set(func() { s.delay = time.Second })
				for range 10 {
					p.SendAsync(t.Context(), big(), nil)
				}
				started := time.Now()
				require.ErrorIs(t, p.Send(t.Context(), big()), iggyerr.ErrBufferFull)
				require.Zero(t, time.Since(started))
				require.NoError(t, p.Flush(t.Context()))
				require.NoError(t, p.Send(t.Context(), big()))
			})
		})
	}
	t.Run("a message over the ceiling", func(t *testing.T) {
		t.Parallel()
		run(t, func(c *config.Producer) { c.MaxBufferedBytes = 100 }, func(t *testing.T, _ *server, p *producer.Producer) {
			err := p.Send(t.Context(), big())
			require.ErrorIs(t, err, iggyerr.ErrTooLarge)
			require.ErrorContains(t, err, "producer.max_buffered_bytes")
		})
	})
	t.Run("a message over the batch size travels alone", func(t *testing.T) {
		t.Parallel()
		run(t, func(c *config.Producer) { c.MaxBatchBytes = 200 }, func(t *testing.T, s *server, p *producer.Producer) {
			require.NoError(t, p.SendAll(t.Context(), message("k", "1"), message("k", string(make([]byte, 1000))), message("k", "2")))
			require.Equal(t, 3, s.count(&s.requests))
		})
	})
	t.Run("lingering batches don't block", func(t *testing.T) {
		t.Parallel()
		change := func(c *config.Producer) {
			c.MaxBufferedMessages = 3
			c.Linger = time.Hour
			c.DeliveryTimeout = 2 * time.Hour
		}
		run(t, change, func(t *testing.T, _ *server, p *producer.Producer) {
			started := time.Now()
			for range 10 {
				p.SendAsync(t.Context(), big(), nil)
			}
			require.NoError(t, p.Flush(t.Context()))
			require.Zero(t, time.Since(started))
		})
	})
	t.Run("room is given in the order of asking", func(t *testing.T) {
		t.Parallel()
		run(t, func(c *config.Producer) { c.MaxBufferedMessages = 1 }, func(t *testing.T, s *server, p *producer.Producer) {
			s.set(func() { s.delay = time.Second })
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() { p.SendAsync(t.Context(), message("k", fmt.Sprint(i)), nil) })
				synctest.Wait()
			}
			wg.Wait()
			require.NoError(t, p.Flush(t.Context()))
			require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, s.payloads("t", wire.PartitionOf("k", 4)))
		})
	})
}

func TestFlush(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.Flush(t.Context()), "of nothing")
		s.set(func() { s.delay = time.Second })
		returned := 0
		for range 3 {
			p.SendAsync(t.Context(), message("k", "x"), func(producer.Result) { returned++ })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, p.Flush(ctx), context.DeadlineExceeded)
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, 3, returned, "callbacks have returned")
	})
}

func TestStopDrains(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		got := make(outcomes, 10)
		for range 10 {
			p.SendAsync(t.Context(), message("k", "x"), func(r producer.Result) { got <- r })
		}
		require.NoError(t, p.Stop(t.Context()))
		for _, r := range got.take(t, 10) {
			require.Equal(t, producer.Confirmed, r.Outcome)
		}
	})
}

func TestStopReportsWhatIsLeft(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.MaxBatchMessages = 2; c.MaxBufferedMessages = 5 }
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(always(stallsUnsaved))
		got := make(outcomes, 10)
		done := func(r producer.Result) { got <- r }
		p.SendAsync(t.Context(), message("k", "in flight"), done)
		synctest.Wait()
		for range 4 {
			p.SendAsync(t.Context(), message("k", "queued"), done)
		}
		go p.SendAsync(t.Context(), message("k", "waiting for room"), done)
		synctest.Wait()
		started := time.Now()
		err := p.Stop(t.Context())
		require.Equal(t, 5*time.Second, time.Since(started), "the drain timeout")
		var left *producer.StopError
		require.ErrorAs(t, err, &left)
		require.Equal(t, []producer.Remainder{{Stream: "s", Topic: "t", Failed: 5, Unknown: 1}}, left.Remainders)
		require.ErrorContains(t, err, "s/t 5 failed and 1 unknown")
		require.ErrorContains(t, err, "drain timeout")
		counts := map[producer.Outcome]int{}
		for _, r := range got.take(t, 6) {
			counts[r.Outcome]++
			require.ErrorIs(t, r.Err, iggyerr.ErrClosed)
		}
		require.Equal(t, map[producer.Outcome]int{producer.Failed: 5, producer.Unknown: 1}, counts)
		require.Zero(t, p.Status().BufferedBytes)
	})
}

func TestStopHonoursItsContext(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(always(stalls))
		got := make(outcomes, 1)
		p.SendAsync(t.Context(), message("k", "x"), func(r producer.Result) { got <- r })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		require.ErrorIs(t, p.Stop(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(started))
		require.Equal(t, producer.Unknown, got.take(t, 1)[0].Outcome)
	})
}

func TestCheckAsksTheServer(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.Connections = 2 }, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.Check(t.Context()), "also before a topic is known")
		require.Equal(t, 2, s.count(&s.reads), "over each connection")
		s.cut()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.Check(ctx), iggyerr.ErrNotConnected)
		require.Len(t, p.Status().Connections, 2)
		require.Equal(t, "connecting", p.Status().Connections[0].State)
		require.Error(t, p.Status().Connections[0].LastError)
	})
}
