package deliver_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func TestInFlightLimitHoldsForHandlersThatKeepMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight, cfg.AckMode = 8, config.AckManual
		s := newSetup(t, cfg)
		var mu sync.Mutex
		var kept []*deliver.Message
		s.pool.Handle(func(m *deliver.Message) error {
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, m)
			return nil
		})
		for _, p := range s.assign(4) {
			p.offer(distinct("k", 100)...)
		}
		for handled := 0; handled < 400; {
			synctest.Wait()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			now := kept
			kept = nil
			mu.Unlock()
			require.NotEmpty(t, now)
			if handled < 100 { // later the part of a partition that has no more is not used
				require.Len(t, now, 8)
			}
			require.LessOrEqual(t, len(now), 8)
			in := 0
			for _, p := range s.all {
				in += p.State().InFlight
			}
			require.Equal(t, len(now), in)
			for _, m := range now {
				m.Ack()
				handled++
			}
		}
		for _, p := range s.all {
			require.EqualValues(t, 100, p.progress.acknowledged().Seq)
		}
	})
}

func TestInFlightLimitHoldsForCallersOfNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight = 6
		s := newSetup(t, cfg)
		for _, p := range s.assign(2) {
			p.offer(distinct("k", 50)...)
		}
		got := make(chan *deliver.Message)
		ctx, cancel := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				for {
					m, err := s.pool.Next(ctx)
					if err != nil {
						require.ErrorIs(t, err, context.Canceled)
						return
					}
					got <- m
				}
			})
		}
		for handled := 0; handled < 100; {
			var held []*deliver.Message
			for range 6 {
				if handled+len(held) < 100 {
					held = append(held, <-got)
				}
			}
			synctest.Wait()
			select {
			case <-got:
				require.Fail(t, "more than max_in_flight")
			default:
			}
			in := 0
			for _, p := range s.all {
				in += p.State().InFlight
			}
			require.Equal(t, len(held), in)
			for _, m := range held {
				m.Ack()
				handled++
			}
		}
		cancel()
		callers.Wait()
	})
}

func TestNextEndsWithItsContextAndThePool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		p := s.assign(1)[0]
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLost)
		defer cancel()
		_, err := s.pool.Next(ctx)
		require.ErrorIs(t, err, errLost)
		_, err = s.pool.Next(ctx)
		require.ErrorIs(t, err, errLost)
		p.offer("a/0")
		m, err := s.pool.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a/0", text(m))
		time.AfterFunc(time.Minute, s.pool.Close)
		_, err = s.pool.Next(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrClosed)
		_, err = s.pool.Next(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrClosed)
	})
}

// A partition whose handlers are stuck takes nothing of the others' part.
func TestStuckPartitionLeavesTheOthersTheirPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight, cfg.Concurrency = 8, 4
		s := newSetup(t, cfg)
		release := make(chan struct{})
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			if m.Queue().ID() == 0 {
				<-release
			}
			got.add(text(m))
			return nil
		})
		for _, p := range s.assign(4) {
			p.offer(distinct("k", 100)...)
		}
		time.Sleep(time.Second)
		require.Len(t, got.all(), 300)
		require.Equal(t, 1, s.all[0].State().InFlight, "all workers but those that the others need")
		close(release)
		time.Sleep(time.Second)
		require.Len(t, got.all(), 400)
	})
}

// When another member gets partitions, those that stay may use their workers at once.
func TestWorkersOfLostPartitionsAreUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency = 2
		s := newSetup(t, cfg)
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			<-m.Queue().Context().Done()
			return m.Queue().Context().Err()
		})
		s.assign(2)
		s.all[0].offer("a/0", "b/0")
		s.all[1].offer("c/0", "d/0")
		synctest.Wait()
		require.ElementsMatch(t, []string{"a/0", "c/0"}, got.all())
		s.all[1].Lose(errLost)
		s.share()
		synctest.Wait()
		require.ElementsMatch(t, []string{"a/0", "c/0", "b/0"}, got.all())
	})
}

func TestPausedQueueHandsNothingOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency = 1
		s := newSetup(t, cfg)
		var got seen
		release := make(chan struct{})
		s.pool.Handle(func(m *deliver.Message) error {
			if got.add(text(m)); text(m) == "k100/0" {
				<-release
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer(distinct("k", 200)...)
		synctest.Wait()
		require.Len(t, got.all(), 101)
		p.Pause(true)
		close(release)
		time.Sleep(time.Second)
		require.Len(t, got.all(), 101, "what was taken and not begun is not handed out either")
		require.True(t, p.State().Paused)
		require.EqualValues(t, 101, p.progress.acknowledged().Seq)
		p.Pause(false)
		synctest.Wait()
		require.Len(t, got.all(), 200)
	})
}

// Without commits nothing is delivered beyond the bound, so that no crash can bring back more.
func TestDeliveryWaitsForCommits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit, every = 8, 12
		cfg := settings()
		cfg.MaxInFlight, cfg.CommitEvery = limit, every
		s := newSetup(t, cfg)
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			return nil
		})
		p := s.assign(1)[0]
		p.offer(distinct("k", 100)...)
		for n := limit + every; n < 100; n += limit + every {
			time.Sleep(time.Second)
			require.Len(t, got.all(), n)
			s := p.State()
			require.Equal(t, deliver.LimitUncommitted, s.Limit)
			require.Equal(t, limit+every, s.Uncommitted)
			require.Positive(t, p.progress.requests)
			p.commit()
		}
		time.Sleep(time.Second)
		require.Len(t, got.all(), 100)
		require.Equal(t, deliver.LimitNone, p.State().Limit)
	})
}

func TestPrefixAdvancesOnceForMessagesThatAreSettledTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency, cfg.MaxInFlight, cfg.CommitEvery = 1, 128, 128
		s := newSetup(t, cfg)
		s.pool.Handle(func(*deliver.Message) error { return nil })
		p := s.assign(1)[0]
		p.offer(distinct("k", 1000)...)
		synctest.Wait()
		// All that may be admitted beyond the committed offset, and the request covers all of it.
		require.EqualValues(t, 256, p.progress.acknowledged().Seq)
		require.EqualValues(t, 256, p.progress.requested.Seq)
		require.LessOrEqual(t, p.progress.advances, 100)
	})
}
