package deliver_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
)

// While handlers are quick a worker takes runs. When one of its messages takes long, what is left
// of the run is done by others, and what was done before it is settled.
func TestSlowMessageHoldsNobodyUp(t *testing.T) {
	for _, partitions := range []int{1, 4} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSetup(t, settings())
				release := make(chan struct{})
				var got seen
				s.pool.Handle(func(m *deliver.Message) error {
					if m.Raw.Offset%100 == 50 {
						<-release
					}
					got.add(text(m))
					return nil
				})
				for _, p := range s.assign(partitions) {
					p.offer(distinct("k", 50)...)
				}
				synctest.Wait()
				require.Len(t, got.all(), 50*partitions)
				for _, p := range s.all {
					p.offer(append([]string{"slow/0", "slow/1"}, numbered("x", 98)...)...)
				}
				time.Sleep(5 * time.Millisecond)
				require.Len(t, got.all(), (50+98)*partitions)
				for _, p := range s.all {
					require.EqualValues(t, 50, p.progress.acknowledged().Seq)
					require.Equal(t, 1, p.State().InFlight)
					require.Equal(t, 1, p.State().Behind)
				}
				close(release)
				synctest.Wait()
				require.Len(t, got.all(), (50+100)*partitions)
				for _, p := range s.all {
					require.EqualValues(t, 150, p.progress.acknowledged().Seq)
				}
			})
		})
	}
}

// What was handled before a message that takes long is acknowledged soon, and its keys go on.
func TestMessagesBeforeASlowOneAreAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency = 2
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
		p.offer("a/0", "slow/0", "a/1", "b/0", "a/2")
		time.Sleep(5 * time.Millisecond)
		require.Subset(t, got.all(), []string{"a/0", "a/1", "b/0", "a/2"})
		require.EqualValues(t, 65, p.progress.acknowledged().Seq)
		close(release)
		synctest.Wait()
		require.EqualValues(t, 69, p.progress.acknowledged().Seq)
	})
}

// As many handlers are at work as may be, when each takes long, also after many quick ones.
func TestSlowHandlersRunSideBySide(t *testing.T) {
	for _, quick := range []int{0, 1000} {
		t.Run(fmt.Sprint("after ", quick), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cfg := settings()
				cfg.MaxInFlight, cfg.Concurrency = 32, 20
				s := newSetup(t, cfg)
				var mu sync.Mutex
				busy, most := 0, 0
				slow := false
				s.pool.Handle(func(*deliver.Message) error {
					mu.Lock()
					wait := slow
					if busy++; slow {
						most = max(most, busy)
					}
					mu.Unlock()
					if wait {
						time.Sleep(time.Second)
					}
					mu.Lock()
					busy--
					mu.Unlock()
					return nil
				})
				p := s.assign(1)[0]
				p.offer(distinct("k", quick)...)
				synctest.Wait()
				require.EqualValues(t, quick, p.progress.acknowledged().Seq)
				p.commit()
				mu.Lock()
				slow = true
				mu.Unlock()
				began := time.Now()
				p.offer(distinct("k", 200)...)
				for p.progress.acknowledged().Seq < uint64(quick+200) {
					time.Sleep(time.Millisecond)
				}
				require.Equal(t, 20, most)
				require.Less(t, time.Since(began), 10*time.Second+100*time.Millisecond)
			})
		})
	}
}

// With a quick handler few workers are awake, however much there is to do.
func TestFewWorkersHandleQuickMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight, cfg.CommitEvery = 1000, 100_000
		s := newSetup(t, cfg)
		s.pool.Handle(func(*deliver.Message) error {
			runtime.Gosched()
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/0")
		synctest.Wait()
		p.offer(distinct("k", 20_000)...)
		synctest.Wait()
		require.EqualValues(t, 20_001, p.progress.acknowledged().Seq)
		require.LessOrEqual(t, s.pool.Workers(), 6)
	})
}

// A worker that was slow is watched again as soon as it goes on, also if it takes its next run at
// once.
func TestWorkerThatWasSlowIsWatchedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency, cfg.MaxInFlight = 2, 64
		s := newSetup(t, cfg)
		release := map[string]chan struct{}{"slow/0": make(chan struct{}), "slow/1": make(chan struct{}), "other/0": make(chan struct{})}
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			if wait := release[text(m)]; wait != nil {
				<-wait
			}
			got.add(text(m))
			return nil
		})
		p := s.assign(1)[0]
		p.offer("slow/0")
		synctest.Wait()
		for range 8 {
			p.offer(distinct("k", 100)...) // the other worker is quick
			pass(5 * time.Millisecond)     // and the one is found to be slow
		}
		p.offer("other/0")
		synctest.Wait()
		p.offer(append([]string{"slow/1"}, distinct("x", 20)...)...)
		close(release["slow/0"]) // the worker goes on with a run that begins with slow/1
		synctest.Wait()
		close(release["other/0"])
		pass(20 * time.Millisecond)
		handled := len(got.all())
		close(release["slow/1"])
		synctest.Wait()
		require.Equal(t, 8*100+2+20, handled)
	})
}

// A worker that has just begun a run when another one is found to be slow is watched until nothing
// is left of the run.
func TestRunIsWatchedToItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency, cfg.MaxInFlight = 3, 64
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
		all := s.assign(2)
		for range 8 {
			all[0].offer(distinct("k", 100)...)
			synctest.Wait()
		}
		pass(5 * time.Millisecond)
		all[0].offer("slow/0", "y/0")
		pass(1500 * time.Microsecond) // it is looked once a millisecond whether workers make progress
		all[1].offer(append([]string{"slow/1"}, distinct("x", 20)...)...)
		pass(20 * time.Millisecond)
		handled := len(got.all())
		close(release)
		synctest.Wait()
		require.Equal(t, 8*100+1+20, handled)
	})
}
