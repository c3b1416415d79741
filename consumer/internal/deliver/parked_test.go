package deliver_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/park"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// parkAfter is the longest delay for which RetryAfter parks no message in these tests.
const parkAfter = time.Minute

// copies collects parked copies, and refuses them while it is broken.
type copies struct {
	mu      sync.Mutex
	all     []parkedCopy
	refused error
}

type parkedCopy struct {
	text     string
	wait     time.Duration
	attempts int
}

func (c *copies) park(m *deliver.Message, due time.Time, attempts int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused != nil {
		return c.refused
	}
	c.all = append(c.all, parkedCopy{string(m.Raw.Payload), time.Until(due), attempts})
	return nil
}

func (c *copies) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = err
}

func (c *copies) stored() []parkedCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// offerParked adds texts to the log of a partition of parked messages, stored now and due after a wait.
func (p *partition) offerParked(wait time.Duration, attempts int, texts ...string) {
	messages := p.messages(texts...)
	for i := range messages {
		m := park.Message{
			Origin: topic.Origin{Stream: "s", Topic: "t", Offset: messages[i].Offset, ID: [16]byte{9}}, Due: time.Now().Add(wait), Attempts: attempts,
		}
		messages[i].Headers = m.Headers(wire.AppendHeader(nil, "tenant", "a"))
		messages[i].Timestamp = uint64(time.Now().UnixMicro())
	}
	p.Offer(deliver.NewBatch(messages, 0, nil, nil))
}

// leaveAfter has messages leave after a delay, and not after they are due.
func leaveAfter(delay time.Duration) func(*wire.Message) time.Time {
	return func(m *wire.Message) time.Time {
		parked, _, _ := park.Parse(m.Headers)
		return park.Delays{First: delay, Partitions: 1}.Leave(parked, 0, time.UnixMicro(int64(m.Timestamp)))
	}
}

func TestRetryAfterLongerThanParkAfterParksTheMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newParkingSetup(t, settings(), parkAfter)
		parked := &copies{}
		s.app.park = parked.park
		got := &seen{}
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			switch text(m) {
			case "a/long":
				return deliver.RetryAfter(2*time.Minute, errBroken)
			case "b/short":
				if m.Deliveries() == 1 {
					return deliver.RetryAfter(parkAfter, errBroken)
				}
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/long", "b/short", "a/next")
		synctest.Wait()
		require.Equal(t, []parkedCopy{{"a/long", 2 * time.Minute, 1}}, parked.stored())
		require.ElementsMatch(t, []string{"a/long", "b/short", "a/next"}, got.all(), "its key does not wait for it")
		require.Equal(t, 1, p.State().Waiting, "b/short waits in memory")
		require.EqualValues(t, 1, p.progress.acknowledged().Seq, "a/long is acknowledged")
		require.EqualValues(t, 1, p.Counters().Parked)
		require.EqualValues(t, 2, p.Counters().Failed)
		time.Sleep(parkAfter)
		synctest.Wait()
		require.Len(t, got.all(), 4)
		require.EqualValues(t, 3, p.progress.acknowledged().Seq)
	})
}

func TestMessageIsAcknowledgedOnlyWhenItsParkedCopyIsConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newParkingSetup(t, settings(), parkAfter)
		parked := &copies{refused: errors.New("no topic")}
		s.app.park = parked.park
		got := &seen{}
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			if text(m) == "a/long" {
				return deliver.RetryAfter(time.Hour, nil)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/long")
		synctest.Wait()
		p.offer("b/other")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"a/long"}, got.all(), "the partition waits")
		require.EqualError(t, p.State().Blocked, "waits to park a message: no topic")
		require.Equal(t, 1, p.State().InFlight)
		require.Zero(t, p.progress.acknowledged().Seq)
		parked.refuse(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NoError(t, p.State().Blocked)
		require.EqualValues(t, 2, p.progress.acknowledged().Seq)
		require.Len(t, parked.stored(), 1)
		require.Less(t, parked.stored()[0].wait, time.Hour-30*time.Second, "the due time is that of the failure")
	})
}

func TestMessageThatIsTooLargeToBeParkedWaitsInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newParkingSetup(t, settings(), parkAfter)
		s.app.park = (&copies{refused: iggyerr.ErrTooLarge}).park
		deliveries := make(chan int, 10)
		s.pool.Handle(func(m *deliver.Message) error {
			deliveries <- m.Deliveries()
			if m.Deliveries() == 1 {
				return deliver.RetryAfter(time.Hour, nil)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/long")
		require.Equal(t, 1, <-deliveries)
		synctest.Wait()
		require.NoError(t, p.State().Blocked)
		require.Equal(t, 1, p.State().Waiting)
		began := time.Now()
		require.Equal(t, 2, <-deliveries)
		require.Equal(t, time.Hour, time.Since(began))
	})
}

// Nothing behind a parked message is admitted before it leaves its partition: it stays in the prefetch
// buffer and holds nothing else.
func TestParkedMessagesStayInTheirPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newParkingSetup(t, settings(), parkAfter)
		s.leave = leaveAfter(10 * time.Minute)
		type delivered struct {
			text       string
			deliveries int
			headers    string
		}
		got := make(chan delivered, 10)
		s.pool.Handle(func(m *deliver.Message) error {
			got <- delivered{text(m), m.Deliveries(), string(m.Raw.Headers)}
			return nil
		})
		p := s.assign(1)[0]
		began := time.Now()
		p.offerParked(10*time.Minute, 2, "a/1")
		time.Sleep(time.Minute)
		p.offerParked(10*time.Minute, 3, "a/2", "b/2")
		synctest.Wait()
		require.Equal(t, deliver.LimitParked, p.State().Limit)
		require.Zero(t, p.State().Unfinished)
		own := string(wire.AppendHeader(nil, "tenant", "a"))
		require.Equal(t, delivered{"a/1", 3, own}, <-got)
		require.Equal(t, 10*time.Minute, time.Since(began))
		first, second := <-got, <-got
		require.Equal(t, 11*time.Minute, time.Since(began))
		require.ElementsMatch(t, []delivered{{"a/2", 4, own}, {"b/2", 4, own}}, []delivered{first, second})
		synctest.Wait()
		require.EqualValues(t, 3, p.progress.acknowledged().Seq)
	})
}

// A message that leaves a partition long before it is due is parked again, and one that is due soon waits
// in memory; neither is delivered, and their attempts stay.
func TestParkedMessageThatIsNotDueIsPostponed(t *testing.T) {
	t.Parallel()
	for _, batches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newParkingSetup(t, settings(), parkAfter)
			s.leave = leaveAfter(2 * time.Minute)
			parked := &copies{}
			s.app.park = parked.park
			deliveries := make(chan int, 10)
			handle := func(m *deliver.Message) error {
				deliveries <- m.Deliveries()
				return nil
			}
			if batches {
				s.pool.HandleBatch(func(all []*deliver.Message) error {
					for _, m := range all {
						_ = handle(m)
					}
					return nil
				})
			} else {
				s.pool.Handle(handle)
			}
			p := s.assign(1)[0]
			began := time.Now()
			p.offerParked(10*time.Minute, 2, "a/long")
			p.offerParked(2*time.Minute+parkAfter, 2, "a/short")
			p.offerParked(2*time.Minute, 5, "a/now")
			require.Equal(t, 6, <-deliveries)
			require.Equal(t, 2*time.Minute, time.Since(began))
			synctest.Wait()
			require.Equal(t, []parkedCopy{{"a/long", 8 * time.Minute, 2}}, parked.stored())
			require.Equal(t, 1, p.State().Waiting)
			require.Equal(t, 3, <-deliveries)
			require.Equal(t, 2*time.Minute+parkAfter, time.Since(began))
			synctest.Wait()
			require.EqualValues(t, 3, p.progress.acknowledged().Seq)
			require.EqualValues(t, 2, p.Counters().Delivered)
		})
	}
}

// A handover waits for no parked message, whether it waits in its partition or in memory.
func TestDrainOfParkedMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newParkingSetup(t, settings(), parkAfter)
		s.leave = leaveAfter(time.Minute)
		s.pool.Handle(func(*deliver.Message) error { return nil })
		p := s.assign(1)[0]
		p.offerParked(time.Minute+30*time.Second, 1, "a/memory")
		p.offerParked(time.Hour, 1, "a/partition")
		time.Sleep(time.Minute - time.Second)
		first, ok := p.Drain()
		require.True(t, ok)
		require.Zero(t, first)
		require.True(t, p.State().Drained)
		require.Zero(t, p.State().Unfinished)

		p.next = 0 // it is read again
		p.Resume()
		parked := &copies{}
		s.app.park = parked.park
		p.offerParked(time.Minute+30*time.Second, 3, "a/memory")
		time.Sleep(time.Second)
		p.offerParked(time.Hour, 1, "a/partition")
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		require.Equal(t, 1, p.State().Waiting)
		first, ok = p.Drain()
		require.True(t, ok)
		require.EqualValues(t, 1, first)
		synctest.Wait()
		require.NoError(t, p.State().Blocked)
		require.Equal(t, []parkedCopy{{"a/memory", 30 * time.Second, 3}}, parked.stored(), "it is parked again for the rest")
		require.True(t, p.State().Drained)
		require.Zero(t, p.State().Unfinished)
		require.EqualValues(t, 1, p.progress.acknowledged().Seq)
		require.Zero(t, s.pool.Usage().InFlight)
		require.Zero(t, s.pool.Usage().Waiting)
	})
}

// Parked copies of one message have ids of their own: none is dropped as a duplicate of another.
func TestParkedCopiesAreNoDuplicatesOfEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := settings()
		cfg.DedupWindow = 100
		s := newParkingSetup(t, cfg, parkAfter)
		s.leave = leaveAfter(time.Minute)
		got := &seen{}
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			return nil
		})
		p := s.assign(1)[0]
		p.offerParked(time.Minute, 1, "a/1") // both have the same id at their origin
		p.offerParked(time.Minute, 2, "a/1")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"a/1", "a/1"}, got.all())
	})
}
