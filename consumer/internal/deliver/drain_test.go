package deliver_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
)

// rewind has the partition's log read again from an offset.
func (p *partition) rewind(offset uint64) { p.next = offset }

func TestDrainFinishesWhatIsInFlightAndForgetsTheRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency = 1
		s := newSetup(t, cfg)
		release := make(chan struct{})
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			if m.Key == "slow" {
				<-release
			}
			got.add(text(m))
			return nil
		})
		p := s.assign(1)[0]
		p.offer(distinct("k", 64)...)
		synctest.Wait()
		p.offer("a/0", "a/1", "slow/0", "b/0", "a/2")
		p.offer("c/0")
		synctest.Wait()
		first, ok := p.Drain() // in the middle of a run
		require.True(t, ok)
		require.EqualValues(t, 67, first)
		state := p.State()
		require.Equal(t, deliver.PhaseDraining, state.Phase)
		require.False(t, state.Drained)
		require.Equal(t, 2, state.Unfinished, "a/1 is behind the slow one, and before it in the log")
		_, _, _ = p.Buffered()
		require.False(t, p.Offer(deliver.NewBatch(p.messages("d/0"), 0, nil, nil)))
		require.Zero(t, p.owner.drainedTimes())
		close(release)
		synctest.Wait()
		require.True(t, p.State().Drained)
		require.Positive(t, p.owner.drainedTimes())
		require.ElementsMatch(t, []string{"a/0", "a/1", "slow/0"}, got.all()[64:])
		require.EqualValues(t, 67, p.progress.acknowledged().Seq)
		_, ok = p.Drain()
		require.False(t, ok)

		p.rewind(first)
		p.Resume()
		p.offer("b/0", "a/2", "c/0")
		synctest.Wait()
		require.ElementsMatch(t, []string{"b/0", "a/2", "c/0"}, got.all()[67:])
		require.EqualValues(t, 70, p.progress.acknowledged().Seq)
		require.EqualValues(t, 69, p.progress.acknowledged().Offset)
	})
}

func TestDrainReleasesWhatItForgets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight = 1
		s := newSetup(t, cfg)
		p := s.assign(1)[0]
		var events seen
		for _, name := range []string{"first", "second"} {
			p.Offer(deliver.NewBatch(p.messages(distinct("k", 200)...), 10, func() { events.add("recycle " + name) }, func() { events.add("release " + name) }))
		}
		held := s.take(1)[0]
		batches, messages, bytes := p.Buffered()
		require.Equal(t, []int{2, 400 - 128, 20}, []int{batches, messages, bytes})
		first, ok := p.Drain()
		require.True(t, ok)
		require.EqualValues(t, 1, first)
		require.Equal(t, []string{"recycle second", "release second"}, events.all())
		batches, messages, bytes = p.Buffered()
		require.Equal(t, []int{0, 0, 0}, []int{batches, messages, bytes})
		held.Ack()
		require.Equal(t, []string{"recycle second", "release second", "recycle first", "release first"}, events.all())
		require.True(t, p.State().Drained)
		p.Offer(deliver.NewBatch(p.messages("x/0"), 10, nil, func() { events.add("release third") }))
		require.Len(t, events.all(), 5, "it is not wanted")
	})
}

// A drain does not wait for messages that only wait for their next delivery, nor for those behind
// them. They are delivered again when it goes on after all.
func TestDrainDoesNotWaitForRetries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		release := make(chan struct{})
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			switch {
			case text(m) == "late/0" && m.Deliveries() == 1:
				return deliver.RetryAfter(time.Hour, errBusy)
			case m.Key == "slow":
				<-release
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/0", "late/0", "b/0", "late/1", "slow/0")
		pass(time.Minute)
		p.Drain()
		require.False(t, p.State().Drained, "what is being handled is waited for")
		close(release)
		synctest.Wait()
		state := p.State()
		require.True(t, state.Drained)
		require.Equal(t, deliver.PhaseIdle, state.Phase)
		require.Equal(t, 2, state.Unfinished)
		require.Equal(t, 2, state.Idle)
		require.Equal(t, 3, state.Uncommitted)
		require.EqualValues(t, 1, p.progress.acknowledged().Seq)
		pass(2 * time.Hour) // longer than it waits
		require.Len(t, got.all(), 4)
		p.Resume()
		synctest.Wait()
		require.Equal(t, []string{"late/0", "late/1"}, got.all()[4:])
		require.EqualValues(t, 5, p.progress.acknowledged().Seq)
	})
}

// A queue that drains and goes on while messages are decoded: those that nobody had seen were
// forgotten, and are read again. So are the ones that are being decoded, or they would come before
// the others.
func TestDrainWhileMessagesAreDecoded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		reached, release := make(chan struct{}), make(chan struct{})
		once := sync.OnceFunc(func() {
			close(reached)
			<-release
		})
		s.app.hook = func(text string) {
			if text == "a/128" { // the first of the second chunk
				once()
			}
		}
		first := make(chan struct{})
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			if text(m) == "a/0" {
				<-first // the others of its key wait behind it
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer(numbered("a", 300)...)
		<-reached
		synctest.Wait()
		from, ok := p.Drain()
		require.True(t, ok)
		require.EqualValues(t, 1, from)
		p.Resume()
		p.rewind(1)
		p.offer(numbered("a", 300)[1:]...)
		synctest.Wait()
		close(release)
		close(first)
		synctest.Wait()
		require.Equal(t, numbered("a", 300), got.all())
		require.EqualValues(t, 300, p.progress.acknowledged().Seq)
		require.EqualValues(t, 299, p.progress.acknowledged().Offset)
	})
}

// What callers of Next did not get yet is forgotten, too.
func TestDrainTakesBackWhatNextDidNotGet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		p := s.assign(1)[0]
		p.offer(distinct("k", 100)...)
		held := s.take(2)
		require.Equal(t, 2, p.State().InFlight)
		first, ok := p.Drain()
		require.True(t, ok)
		require.EqualValues(t, 2, first)
		s.none()
		held[1].Ack()
		require.False(t, p.State().Drained)
		held[0].Ack()
		require.True(t, p.State().Drained)
		require.EqualValues(t, 2, p.progress.acknowledged().Seq)
		p.Resume()
		p.rewind(2)
		p.offer(distinct("k", 3)...)
		for i := range 3 {
			m := s.take(1)[0]
			require.EqualValues(t, 2+i, m.Raw.Offset)
			m.Ack()
		}
	})
}

// Messages that are acknowledged before they are handled are committed: nobody else will get them.
func TestAtMostOnceDrainsByDelivering(t *testing.T) {
	for name, handler := range map[string]bool{"handler": true, "next": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cfg := settings()
				cfg.AckMode, cfg.MaxInFlight = config.AckOnPoll, 4
				s := newSetup(t, cfg)
				var got seen
				if handler {
					s.pool.Handle(func(m *deliver.Message) error {
						time.Sleep(time.Second)
						got.add(text(m))
						return errBusy
					})
				}
				p := s.assign(1)[0]
				p.offer(numbered("a", 20)...)
				if !handler {
					got.add(text(s.take(1)[0]))
				}
				synctest.Wait()
				_, ok := p.Drain()
				require.False(t, ok)
				require.True(t, p.Offer(deliver.NewBatch(p.messages("b/0"), 0, nil, nil)), "a poll that was under way")
				require.False(t, p.State().Drained)
				if !handler {
					for len(got.all()) < 21 {
						got.add(text(s.take(1)[0]))
					}
				}
				pass(time.Minute)
				require.ElementsMatch(t, append(numbered("a", 20), "b/0"), got.all())
				require.True(t, p.State().Drained)
				require.Zero(t, p.State().Uncommitted)
				if handler {
					require.EqualValues(t, 21, p.Counters().Failed)
					require.Equal(t, "delivery failed, the message was acknowledged before", p.owner.texts()[0])
				}
			})
		})
	}
}

func TestLossKeepsWhatWasAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency = 1
		s := newSetup(t, cfg)
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			if m.Key == "slow" {
				<-m.Queue().Context().Done()
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer(distinct("k", 64)...)
		synctest.Wait()
		p.offer("a/0", "b/0", "slow/0", "c/0")
		synctest.Wait() // a and b are done in the run of the slow one
		unfinished, _ := p.Lose(errLost)
		require.Equal(t, 1, unfinished)
		require.EqualValues(t, 66, p.progress.acknowledged().Seq)
		require.EqualValues(t, 65, p.Prefix().Offset)
		synctest.Wait()
		require.Len(t, got.all(), 67, "what was not begun is not handled")
		require.Zero(t, s.pool.Usage().Orphaned, "the handler has returned")
		require.Zero(t, p.p.Orphans())
		require.Equal(t, p.State().Phase, deliver.PhaseLost)
	})
}
