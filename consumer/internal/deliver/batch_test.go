package deliver_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
)

func offsets(messages []*deliver.Message) (all []uint64) {
	for _, m := range messages {
		all = append(all, m.Raw.Offset)
	}
	return all
}

func TestBatchesAreInOrderAndOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.BatchSize, cfg.MaxInFlight = 10, 25
		s := newSetup(t, cfg)
		var mu sync.Mutex
		next, busy, most, all := map[uint32]uint64{}, map[uint32]int{}, 0, 0
		s.pool.HandleBatch(func(batch []*deliver.Message) error {
			id := batch[0].Queue().ID()
			mu.Lock()
			busy[id]++
			require.Equal(t, 1, busy[id])
			require.LessOrEqual(t, len(batch), 10)
			all += len(batch)
			most = max(most, all)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			busy[id]--
			all -= len(batch)
			for _, m := range batch {
				require.Equal(t, next[id], m.Raw.Offset)
				next[id]++
			}
			return nil
		})
		for _, p := range s.assign(3) {
			p.offer(numbered("a", 95)...)
			p.offer(numbered("b", 5)...)
		}
		pass(time.Hour)
		require.LessOrEqual(t, most, 25)
		require.Greater(t, most, 10)
		for _, p := range s.all {
			require.EqualValues(t, 100, p.progress.acknowledged().Seq)
		}
	})
}

// Messages that failed together are delivered again together, before any other of their partition,
// also when the others take all the room that there is.
func TestBatchThatFailedIsDeliveredAgainTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.BatchSize, cfg.MaxInFlight = 10, 16
		s := newSetup(t, cfg)
		var batches [][]uint64
		s.pool.HandleBatch(func(batch []*deliver.Message) error {
			if batch[0].Queue().ID() > 0 {
				time.Sleep(time.Millisecond)
				return nil
			}
			batches = append(batches, offsets(batch))
			if len(batches) == 1 {
				return errBusy
			}
			return nil
		})
		all := s.assign(3)
		all[0].offer(numbered("a", 30)...)
		synctest.Wait()
		require.Len(t, batches, 1)
		require.Len(t, batches[0], 10)
		require.Equal(t, 10, all[0].State().Waiting)
		require.Zero(t, all[0].State().InFlight)
		for range 20 {
			all[1].offer(distinct("k", 100)...)
			all[2].offer(distinct("k", 100)...)
			all[1].commit()
			all[2].commit()
			pass(20 * time.Millisecond)
		}
		pass(time.Minute)
		require.Equal(t, batches[0], batches[1])
		var rest []uint64
		for _, b := range batches[2:] {
			rest = append(rest, b...)
		}
		require.Len(t, rest, 20)
		require.True(t, slices.IsSorted(rest))
		e := all[0].owner.logged()
		require.Len(t, e, 1)
		require.Equal(t, "delivery of a batch failed, retrying", e[0].Text)
		require.Equal(t, 10, e[0].Count)
	})
}

func TestMessagesOfABatchCanBeSettledOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.BatchSize, cfg.Retry.MaxDeliveries = 5, 3
		s := newSetup(t, cfg)
		var batches [][]uint64
		s.pool.HandleBatch(func(batch []*deliver.Message) error {
			batches = append(batches, offsets(batch))
			if len(batches) > 1 {
				return nil
			}
			batch[0].Ack()
			batch[1].Nack(deliver.RetryAfter(time.Millisecond, errBusy)) // it waits for the others
			batch[2].Nack(deliver.Permanent(errBusy))
			batch[3].Nack(deliver.Drop)
			return deliver.RetryAfter(time.Second, errBusy)
		})
		p := s.assign(1)[0]
		p.offer(numbered("a", 10)...)
		pass(time.Minute)
		require.Equal(t, [][]uint64{{0, 1, 2, 3, 4}, {1, 4, 5, 6, 7}, {8, 9}}, batches)
		require.EqualValues(t, 10, p.progress.acknowledged().Seq)
		require.Equal(t, deliver.Counters{Delivered: 12, Redelivered: 2, Acked: 8, Failed: 3, Skipped: 1, Dropped: 1}, p.Counters())
	})
}

func TestManualBatchesGoOnWhileMessagesAreKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.BatchSize, cfg.AckMode, cfg.MaxInFlight = 4, config.AckManual, 10
		s := newSetup(t, cfg)
		var batches [][]*deliver.Message
		s.pool.HandleBatch(func(batch []*deliver.Message) error {
			batches = append(batches, slices.Clone(batch))
			return nil
		})
		p := s.assign(1)[0]
		p.offer(numbered("a", 20)...)
		synctest.Wait()
		require.Len(t, batches, 3, "4, 4 and 2: the limit")
		require.Equal(t, 10, p.State().InFlight)
		batches[0][2].Nack(errBusy)
		for _, b := range batches {
			for _, m := range b {
				m.Ack()
			}
		}
		pass(time.Minute)
		require.Equal(t, []uint64{2, 10, 11, 12}, offsets(batches[3]))
		for i := 3; len(batches) > i; i++ {
			for _, m := range batches[i] {
				m.Ack()
			}
			synctest.Wait()
		}
		require.EqualValues(t, 20, p.progress.acknowledged().Seq)
	})
}

func TestDrainDoesNotWaitForBatchesThatWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.BatchSize = 10
		s := newSetup(t, cfg)
		s.pool.HandleBatch(func(batch []*deliver.Message) error {
			batch[0].Ack()
			return deliver.RetryAfter(time.Hour, errBusy)
		})
		p := s.assign(1)[0]
		p.offer(numbered("a", 15)...)
		synctest.Wait()
		first, ok := p.Drain()
		require.True(t, ok)
		require.EqualValues(t, 10, first)
		s1 := p.State()
		require.True(t, s1.Drained)
		require.Equal(t, 9, s1.Unfinished)
		require.Equal(t, 9, s1.Idle)
		require.EqualValues(t, 1, p.progress.acknowledged().Seq)
	})
}

func TestBatchHandlerThatEndsItsGoroutineHasFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.BatchSize, cfg.Concurrency = 5, 1
		s := newSetup(t, cfg)
		var batches [][]uint64
		s.pool.HandleBatch(func(batch []*deliver.Message) error {
			if batches = append(batches, offsets(batch)); len(batches) == 1 {
				runtime.Goexit()
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer(numbered("a", 5)...)
		pass(time.Minute)
		require.Equal(t, [][]uint64{{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}}, batches)
		require.EqualValues(t, 5, p.progress.acknowledged().Seq)
		require.LessOrEqual(t, s.pool.Workers(), 1)
	})
}

func TestUndecodableMessagesOfABatchAreGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.BatchSize = 4
		s := newSetup(t, cfg)
		var got []string
		s.pool.HandleBatch(func(batch []*deliver.Message) error {
			for _, m := range batch {
				got = append(got, text(m))
			}
			return nil
		})
		p := s.assign(1)[0]
		var want []string
		for i := range 20 {
			p.offer(fmt.Sprint("a/", i))
			want = append(want, fmt.Sprint("a/", i))
			p.offer("!")
		}
		pass(time.Minute)
		require.Equal(t, want, got)
		require.EqualValues(t, 40, p.progress.acknowledged().Seq)
		require.EqualValues(t, 20, p.Counters().Undecodable)
	})
}

// A queue that waits for room for a whole batch gives way when it can't use it.
func TestPausedBatchGivesWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.BatchSize, cfg.MaxInFlight, cfg.AckMode = 12, 16, config.AckManual
		s := newSetup(t, cfg)
		kept := map[uint32][]*deliver.Message{}
		var mu sync.Mutex
		s.pool.HandleBatch(func(batch []*deliver.Message) error {
			mu.Lock()
			defer mu.Unlock()
			id := batch[0].Queue().ID()
			if id == 0 && batch[0].Deliveries() == 1 {
				return errors.New("fails")
			}
			kept[id] = append(kept[id], batch...)
			return nil
		})
		all := s.assign(2)
		all[0].offer(numbered("a", 12)...)
		synctest.Wait()
		all[1].offer(numbered("b", 100)...)
		synctest.Wait()
		require.Len(t, kept[1], 12)
		pass(time.Second) // the first one waits for all
		require.Empty(t, kept[0])
		kept[1][0].Ack()
		synctest.Wait()
		require.Len(t, kept[1], 12, "what becomes free is for the one that waits")
		all[0].Pause(true)
		synctest.Wait()
		require.Len(t, kept[1], 13)
		all[0].Pause(false)
		for _, m := range kept[1][1:] {
			m.Ack()
		}
		synctest.Wait()
		require.Len(t, kept[0], 12)
	})
}
