package deliver_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
)

// take calls Next n times.
func (s *setup) take(n int) (messages []*deliver.Message) {
	s.t.Helper()
	for range n {
		m, err := s.pool.Next(context.Background())
		require.NoError(s.t, err)
		messages = append(messages, m)
	}
	return messages
}

// none makes sure that Next gives nothing for a while.
func (s *setup) none() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := s.pool.Next(ctx)
	require.ErrorIs(s.t, err, context.DeadlineExceeded)
}

// Messages keep their places after their partition was lost until the application has ended them,
// and are not handed out a second time before that.
func TestHeldMessagesCountAfterALoss(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight = 3
		s := newSetup(t, cfg)
		p := s.assign(1)[0]
		p.offer(distinct("k", 10)...)
		held := s.take(3)
		unfinished, first := p.Lose(errLost)
		require.True(t, first)
		require.Equal(t, 3, unfinished)
		_, first = p.Lose(errLost)
		require.False(t, first)
		require.ErrorIs(t, context.Cause(held[0].Queue().Context()), errLost)
		p = s.again(p)
		p.offer(distinct("k", 10)...)
		for i, m := range held {
			require.Equal(t, 3-i, s.pool.Usage().Orphaned)
			require.Equal(t, deliver.LimitOrphans, p.State().Limit)
			s.none()
			switch i {
			case 0:
				m.Ack()
				m.Ack() // once is enough
			case 1:
				m.Nack(nil)
			default:
				m.GiveBack()
			}
		}
		require.Zero(t, s.pool.Usage().Orphaned)
		for i, m := range append(s.take(3), s.take(0)...) {
			require.EqualValues(t, i, m.Raw.Offset)
			m.Ack()
		}
		require.EqualValues(t, 3, p.progress.acknowledged().Seq)
	})
}

func TestHandlersOfALostPartitionHoldUpItsNextAssignment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		release := make(chan struct{})
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			if len(got.all()) == 1 {
				m.Ack() // it is done, and its handler not
				<-release
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/0", "a/1")
		synctest.Wait()
		p.Lose(errLost)
		require.Equal(t, 1, p.p.Orphans())
		p = s.again(p)
		p.offer("a/1")
		pass(time.Minute)
		require.Equal(t, []string{"a/0", "a/1"}, got.all()[:len(got.all())], "the lane went on before the loss")
		require.Equal(t, 1, p.p.Orphans())
		close(release)
		synctest.Wait()
		require.Equal(t, []string{"a/0", "a/1", "a/1"}, got.all())
	})
}

// What is held of a lost partition does not take the other partitions' part.
func TestHeldMessagesLeaveOthersTheirPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight = 4
		s := newSetup(t, cfg)
		all := s.assign(2)
		all[0].offer(distinct("k", 10)...)
		held := s.take(3) // one place is the other partition's
		s.none()
		all[0].Lose(errLost)
		s.again(all[0]).offer(distinct("k", 10)...)
		all[1].offer(distinct("k", 10)...)
		for i := range 10 {
			m := s.take(1)[0]
			require.EqualValues(t, 1, m.Queue().ID())
			require.EqualValues(t, i, m.Raw.Offset)
			m.Ack()
		}
		s.none()
		for _, m := range held {
			m.Ack()
		}
		for range 10 {
			s.take(1)[0].Ack()
		}
	})
}

// When the application itself moves a partition, nothing waits for what it holds.
func TestDiscardWaitsForNoMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight = 1
		s := newSetup(t, cfg)
		p := s.assign(1)[0]
		p.offer("a/0", "b/0")
		m := s.take(1)[0]
		p.Discard(errLost)
		require.Error(t, m.Queue().Context().Err())
		p = s.again(p)
		p.offer("c/0", "d/0")
		second := s.take(1)[0]
		require.Equal(t, "c/0", text(second))
		m.Ack()
		s.none()
		second.Ack()
		require.Equal(t, "d/0", text(s.take(1)[0]))
	})
}

// An application that forgets what it lost does not stop its consumer for good.
func TestForgottenMessagesEndWithTheirMemory(t *testing.T) {
	t.Parallel()
	for name, manual := range map[string]bool{"next": false, "manual": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings()
			cfg.MaxInFlight = 3
			messages := make(chan *deliver.Message, 10)
			s := newSetup(t, cfg)
			if manual {
				cfg.AckMode = config.AckManual
				s = newSetup(t, cfg)
				s.pool.Handle(func(m *deliver.Message) error {
					messages <- m
					return nil
				})
			}
			take := func() *deliver.Message {
				if manual {
					return <-messages
				}
				return s.take(1)[0]
			}
			p := s.assign(1)[0]
			p.offer(distinct("k", 300)...)
			func() {
				var held []*deliver.Message
				for i := range 100 {
					m := take()
					if held = append(held, m); i < 97 {
						m.Ack()
					}
				}
				require.Len(t, held, 100)
				require.Eventually(t, func() bool { return p.State().InFlight == 3 }, 10*time.Second, time.Millisecond)
				p.Lose(errLost)
			}()
			p = s.again(p)
			p.offer(distinct("k", 10)...)
			require.Equal(t, 3, s.pool.Usage().Orphaned)
			got := make(chan *deliver.Message)
			go func() { got <- take() }()
			deadline := time.After(30 * time.Second)
			for {
				runtime.GC()
				select {
				case m := <-got:
					require.Zero(t, m.Raw.Offset)
					require.Zero(t, s.pool.Usage().Orphaned)
					return
				case <-deadline:
					require.Fail(t, "the forgotten were not found")
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
}
