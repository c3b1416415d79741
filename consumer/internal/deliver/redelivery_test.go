package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

var errBusy = errors.New("busy, says the other side")

func TestBackoffGrowsToItsCeiling(t *testing.T) {
	t.Parallel()
	backoff := func(base, ceiling time.Duration, jitter float64, attempts int) time.Duration {
		cfg := settings()
		cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff, cfg.Retry.Jitter = base, ceiling, jitter
		return time.Duration(deliver.NewPool(deliver.PoolOptions{Config: cfg}).Delay(attempts))
	}
	ms := time.Millisecond
	var got []time.Duration
	for n := 1; n <= 5; n++ {
		got = append(got, backoff(10*ms, 60*ms, 0, n))
	}
	require.Equal(t, []time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms, 60 * ms}, got)
	rapid.Check(t, func(t *rapid.T) {
		d := backoff(100*ms, time.Second, 0.2, rapid.IntRange(1, 1_000_000).Draw(t, "attempts"))
		require.GreaterOrEqual(t, d, 80*ms)
		require.LessOrEqual(t, d, 1200*ms)
	})
}

func TestFailedMessageIsDeliveredAgainAsItWas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 4
		s := newSetup(t, cfg)
		began := time.Now()
		var at []time.Duration
		s.pool.Handle(func(m *deliver.Message) error {
			at = append(at, time.Since(began))
			require.Equal(t, "a/0", text(m))
			require.Equal(t, len(at), m.Deliveries())
			require.EqualValues(t, 0, m.Seq())
			require.Equal(t, "a/0", string(m.Payload()))
			m.Value.(*value).text = "changed"
			if len(at) == 4 {
				return nil
			}
			return errBusy
		})
		p := s.assign(1)[0]
		p.offer("a/0")
		pass(time.Minute)
		ms := time.Millisecond
		require.Equal(t, []time.Duration{0, 100 * ms, 300 * ms, 700 * ms}, at)
		require.EqualValues(t, 1, p.progress.acknowledged().Seq)
		require.Equal(t, deliver.Counters{Delivered: 4, Redelivered: 3, Acked: 1, Failed: 3}, p.Counters())
		require.Len(t, p.owner.logged(), 3)
		e := p.owner.logged()[1]
		require.Equal(t, "delivery failed, retrying", e.Text)
		require.Equal(t, zapcore.WarnLevel, e.Level)
		require.Equal(t, 2, e.Attempt)
		require.Equal(t, 200*ms, e.Delay)
		require.ErrorIs(t, e.Err, errBusy)
	})
}

// Messages that wait for long hold nothing but their own keys.
func TestWaitingMessagesLeaveTheInFlightLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight = 4
		s := newSetup(t, cfg)
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			if strings.HasPrefix(text(m), "late") && strings.HasSuffix(text(m), "/0") && m.Deliveries() == 1 {
				return deliver.RetryAfter(time.Hour, errBusy)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("late0/0", "late1/0", "late2/0", "late3/0", "late4/0", "late0/1")
		p.offer(distinct("k", 500)...)
		pass(time.Minute)
		require.Len(t, got.all(), 505)
		require.NotContains(t, got.all(), "late0/1", "its key waits")
		state := p.State()
		require.Zero(t, state.InFlight)
		require.Equal(t, 5, state.Waiting)
		require.Equal(t, 1, state.Behind)
		require.Equal(t, 6, state.Unfinished)
		require.Zero(t, p.progress.acknowledged().Seq)
		_, buffered, _ := p.Buffered()
		require.Zero(t, buffered)
		pass(time.Hour)
		require.Len(t, got.all(), 511)
		require.EqualValues(t, 506, p.progress.acknowledged().Seq)
		require.Zero(t, p.State().Waiting)
	})
}

// A message that waits holds its own memory, and not that of the poll that it came with.
func TestWaitingMessagesLetGoOfTheirBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			if m.Key == "late" && m.Deliveries() == 1 {
				return deliver.RetryAfter(time.Hour, errBusy)
			}
			return nil
		})
		p := s.assign(1)[0]
		messages := p.messages("a/0", "late/0", "b/0")
		var events seen
		p.Offer(deliver.NewBatch(messages, 100, func() {
			events.add("recycle")
			for i := range messages {
				clear(messages[i].Payload)
			}
		}, func() { events.add("release") }))
		pass(time.Second)
		require.Equal(t, []string{"recycle", "release"}, events.all())
		pass(time.Hour)
		require.Equal(t, "late/0", got.all()[3])
	})
}

func TestWaitingMessagesHaveALimit(t *testing.T) {
	for name, limit := range map[string]struct {
		bytes config.Bytes
		least int
	}{
		"of messages": {1 << 30, 10_000},
		"of bytes":    {8000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cfg := settings()
				cfg.MaxBufferedBytes, cfg.MaxInFlight, cfg.CommitEvery = limit.bytes, 32, 10
				s := newSetup(t, cfg)
				var mu sync.Mutex
				delivered := 0
				s.pool.Handle(func(m *deliver.Message) error {
					mu.Lock()
					defer mu.Unlock()
					delivered++
					if m.Deliveries() == 1 {
						return deliver.RetryAfter(time.Hour, errBusy)
					}
					return nil
				})
				p := s.assign(1)[0]
				total := limit.least + 1000
				for i := range total {
					p.offer(fmt.Sprintf("k%06d/", i)) // 8 bytes
				}
				pass(time.Minute)
				state := p.State()
				require.Equal(t, deliver.LimitWaiting, state.Limit)
				require.GreaterOrEqual(t, state.Waiting, limit.least)
				require.LessOrEqual(t, state.Waiting, limit.least+128+32, "what was admitted before")
				_, buffered, _ := p.Buffered()
				require.Equal(t, total-state.Admitted, buffered)
				for range 5 {
					pass(time.Hour)
					p.commit()
				}
				synctest.Wait()
				require.EqualValues(t, total, p.progress.acknowledged().Seq)
				require.Equal(t, 2*total, delivered)
			})
		})
	}
}

// However many wait, admission is bounded: what may be delivered twice after a crash.
func TestAdmissionIsBoundedBeyondTheCommittedOffset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight, cfg.CommitEvery = 4, 10
		s := newSetup(t, cfg)
		s.pool.Handle(func(m *deliver.Message) error {
			if m.Key == "late" {
				return deliver.RetryAfter(time.Hour, errBusy)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("late/0")
		p.offer(distinct("k", 100)...)
		pass(time.Minute)
		state := p.State()
		require.Equal(t, 4+10+1, state.Admitted)
		require.Equal(t, deliver.LimitUncommitted, state.Limit)
	})
}

func TestMessageThatWasGivenBackIsNextAndCountsNoAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 2
		s := newSetup(t, cfg)
		p := s.assign(1)[0]
		p.offer("a/0", "b/0", "a/1", "c/0")
		next := func() *deliver.Message {
			m, err := s.pool.Next(t.Context())
			require.NoError(t, err)
			return m
		}
		for i := range 5 { // more often than the message may fail
			m := next()
			require.Equal(t, "a/0", text(m))
			require.Equal(t, i+1, m.Deliveries())
			m.Value.(*value).text = "changed"
			m.GiveBack()
			m.Ack()
			m.GiveBack()
		}
		m := next()
		require.Equal(t, "a/0", text(m))
		m.Nack(nil)
		got := map[string]int{}
		for range 3 {
			m := next()
			got[text(m)] = m.Deliveries()
			m.Ack()
		}
		require.Equal(t, map[string]int{"b/0": 1, "c/0": 1, "a/0": 7}, got, "it had one failed delivery of two")
		m = next()
		require.Equal(t, "a/1", text(m))
		m.GiveBack()
		first, ok := p.Drain()
		require.False(t, ok, "%d", first)
		state := p.State()
		require.True(t, state.Drained)
		require.Equal(t, deliver.PhaseIdle, state.Phase)
		require.Equal(t, 1, state.Unfinished)
		require.Equal(t, 1, state.Idle)
		require.Positive(t, p.owner.drainedTimes())
		unfinished, lost := p.Lose(errLost)
		require.True(t, lost)
		require.Equal(t, 1, unfinished)
	})
}

func TestManualAcknowledgement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.AckMode = config.AckManual
		s := newSetup(t, cfg)
		messages := make(chan *deliver.Message, 10)
		s.pool.Handle(func(m *deliver.Message) error {
			messages <- m
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/0", "b/0", "c/0")
		held := map[string]*deliver.Message{}
		for range 3 {
			m := <-messages
			held[text(m)] = m
		}
		held["b/0"].Ack()
		held["c/0"].Nack(errBusy)
		again := <-messages
		require.Equal(t, "c/0", text(again))
		require.Equal(t, 2, again.Deliveries())
		held["c/0"].Ack() // of the first delivery: without effect
		synctest.Wait()
		require.Equal(t, 2, p.State().InFlight)
		require.Zero(t, p.progress.acknowledged().Seq, "a/0 holds the prefix back")
		held["a/0"].Ack()
		again.Ack()
		again.Nack(errBusy)
		synctest.Wait()
		require.EqualValues(t, 3, p.progress.acknowledged().Seq)
		require.EqualValues(t, 2, p.progress.acknowledged().Offset)
		require.EqualValues(t, 1002, p.progress.acknowledged().Timestamp)
	})
}

// A failure of the environment is no message's fault: the queue pauses, and no attempt is counted.
func TestUnavailableEnvironmentPausesTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 1
		s := newSetup(t, cfg)
		var got seen
		began := time.Now()
		s.pool.Handle(func(m *deliver.Message) error {
			if got.add(text(m)); time.Since(began) < time.Minute && m.Queue().ID() == 0 {
				return deliver.Unavailable(errBusy, false)
			}
			return nil
		})
		all := s.assign(2)
		all[0].offer("a/0", "a/1", "b/0")
		all[1].offer("c/0")
		pass(time.Second)
		require.ErrorIs(t, all[0].State().Unavailable, errBusy)
		require.EqualValues(t, 1, all[1].progress.acknowledged().Seq)
		pass(50 * time.Second)
		require.Less(t, len(got.all()), 150, "the pause grows")
		require.Len(t, all[0].owner.logged(), 1, "it is logged once")
		require.NotEmpty(t, all[0].owner.noted())
		pass(time.Minute)
		require.EqualValues(t, 3, all[0].progress.acknowledged().Seq)
		require.Zero(t, all[0].Counters().Failed)
		texts := got.all()
		require.Less(t, index(texts, "a/0"), index(texts, "a/1"))
	})
}

// A handler that is unavailable for all queues is tried with one message at a time, and is logged
// when that begins, once a minute, and when it ends.
func TestUnavailableHandlerPausesAllQueues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 1
		s := newSetup(t, cfg)
		began := time.Now()
		var tried atomic.Int32 // several workers try
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			if time.Since(began) < 5*time.Minute {
				tried.Add(1)
				return deliver.Unavailable(errBusy, true)
			}
			got.add(text(m))
			return nil
		})
		all := s.assign(3)
		for _, p := range all {
			p.offer("a/0", "a/1", "b/0", "c/0")
		}
		pass(4 * time.Minute)
		require.ErrorIs(t, s.pool.Unavailable(), errBusy)
		require.Less(t, tried.Load(), int32(300))
		pass(2 * time.Minute)
		require.NoError(t, s.pool.Unavailable())
		require.Len(t, got.all(), 12)
		begins, ends := 0, 0
		for _, p := range all {
			require.EqualValues(t, 4, p.progress.acknowledged().Seq)
			require.Zero(t, p.Counters().Failed)
			for _, e := range p.owner.logged() {
				switch e.Text {
				case "handler unavailable, the consumer pauses":
					begins++
				case "handler available again":
					ends++
					require.Greater(t, e.Elapsed, 5*time.Minute-time.Second)
				}
			}
		}
		require.InDelta(t, 5, begins, 1)
		require.Equal(t, 1, ends)
	})
}

// A message that takes long does not keep others from being tried.
func TestUnavailableHandlerIsTriedWithAnotherMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		var got seen
		fails := true
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			switch {
			case fails:
				fails = false
				return deliver.Unavailable(errBusy, false)
			case text(m) == "a/0":
				time.Sleep(time.Hour)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/0")
		synctest.Wait()
		p.offer("b/0", "c/0")
		pass(5 * time.Second)
		require.Equal(t, []string{"a/0", "a/0"}, got.all(), "one is tried")
		pass(time.Minute)
		require.Equal(t, []string{"a/0", "a/0", "b/0", "c/0"}, got.all())
		require.NoError(t, p.State().Unavailable)
	})
}

// Once the handler can work, a trial that takes long holds nobody up.
func TestDeliveryGoesOnBesideALongTrial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		var got seen
		var tried atomic.Int32
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			switch tried.Add(1) {
			case 1:
				return deliver.Unavailable(errBusy, true)
			case 2:
				time.Sleep(12 * time.Second)
			case 3:
				time.Sleep(time.Minute)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/0", "b/0", "c/0", "d/0", "e/0", "f/0", "g/0")
		pass(15 * time.Second)
		require.NoError(t, s.pool.Unavailable(), "the first trial was handled")
		require.Len(t, got.all(), 8, "the second trial is in flight")
	})
}

// A queue that is suspended has nothing to finish.
func TestSuspendedQueueDrainsAtOnce(t *testing.T) {
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprint(all), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSetup(t, settings())
				s.pool.Handle(func(*deliver.Message) error { return deliver.Unavailable(errBusy, all) })
				p := s.assign(1)[0]
				p.offer("a/0", "a/1", "b/0", "c/0")
				pass(time.Minute)
				s.pool.BeginStop()
				p.Drain()
				pass(time.Second)
				state := p.State()
				require.True(t, state.Drained)
				require.Equal(t, state.Unfinished, state.Idle)
			})
		})
	}
}

// What a handler publishes with may be closed before the consumer is: that is no message's fault.
func TestClosedClientIsAnUnavailableHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 1
		s := newSetup(t, cfg)
		s.pool.Handle(func(*deliver.Message) error { return fmt.Errorf("publish: %w", iggyerr.ErrClosed) })
		p := s.assign(1)[0]
		p.offer("a/0")
		pass(time.Minute)
		require.ErrorIs(t, s.pool.Unavailable(), iggyerr.ErrClosed)
		require.Zero(t, p.Counters().Failed)
		require.Zero(t, p.progress.acknowledged().Seq)
	})
}

func index(texts []string, text string) int {
	for i := range texts {
		if texts[i] == text {
			return i
		}
	}
	return -1
}

// An application that is told to stop by a context of its own has not failed.
func TestCancelledHandlerOfAStoppingConsumerHasNotFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 1
		s := newSetup(t, cfg)
		s.app.letters = func(context.Context, *deliver.Message, error, string, int) error {
			require.Fail(t, "a dead letter")
			return nil
		}
		s.pool.Handle(func(*deliver.Message) error { return fmt.Errorf("stopping: %w", context.Canceled) })
		p := s.assign(1)[0]
		s.pool.BeginStop()
		p.offer("a/0")
		synctest.Wait()
		require.Equal(t, 1, p.State().Waiting)
		p.Drain()
		require.True(t, p.State().Drained)
	})
}

// What fails after the time for stopping is over is not finished, and handed out no more.
func TestFailureAfterTheContextEndedIsIgnored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			<-m.Queue().Context().Done()
			return context.Cause(m.Queue().Context())
		})
		p := s.assign(1)[0]
		p.offer("a/0")
		synctest.Wait()
		p.Drain()
		require.False(t, p.State().Drained)
		p.Cancel(errLost)
		pass(time.Hour)
		require.Len(t, got.all(), 1)
		require.Equal(t, 1, p.State().Unfinished)
		require.Empty(t, p.owner.texts())
	})
}
