package deliver_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// A message that is postponed often is not given up, and holds no place in flight meanwhile.
func TestPostponedDeliveriesDoNotCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight, cfg.Retry.MaxDeliveries = 1, 1
		s := newSetup(t, cfg)
		begin := time.Now()
		var late []time.Duration
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			require.Equal(t, 1, m.Attempts())
			if m.Key != "late" {
				got.add(text(m))
				return nil
			}
			if late = append(late, time.Since(begin)); len(late) < 4 {
				return deliver.Postpone(time.Minute, errBusy)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("late/0", "late/1", "a/0", "b/0")
		pass(time.Second)
		require.Equal(t, []string{"a/0", "b/0"}, got.all())
		require.Equal(t, 1, p.State().Waiting)
		require.Equal(t, 1, p.State().Behind, "its key waits")
		pass(time.Hour)
		require.Equal(t, []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute, 3 * time.Minute}, late)
		require.EqualValues(t, 4, p.progress.acknowledged().Seq)
		require.Equal(t, deliver.Counters{Delivered: 7, Redelivered: 3, Acked: 4}, p.Counters())
		for _, e := range p.owner.logged() {
			require.Equal(t, "message postponed", e.Text)
			require.Equal(t, zapcore.DebugLevel, e.Level)
			require.Equal(t, time.Minute, e.Delay)
		}
	})
}

func TestMessagesOfABatchArePostponed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 1
		s := newSetup(t, cfg)
		calls := 0
		s.pool.HandleBatch(func([]*deliver.Message) error {
			if calls++; calls < 3 {
				return deliver.Postpone(time.Minute, errBusy)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/0", "b/0")
		pass(time.Hour)
		require.EqualValues(t, 2, p.progress.acknowledged().Seq)
		require.Zero(t, p.Counters().Failed)
	})
}

func TestPostponementLongerThanParkAfterParksTheMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 1
		s := newParkingSetup(t, cfg, parkAfter)
		parked := &copies{}
		s.app.park = parked.park
		s.pool.Handle(func(*deliver.Message) error { return deliver.Postpone(time.Hour, errBusy) })
		p := s.assign(1)[0]
		p.offer("a/0")
		synctest.Wait()
		require.Equal(t, []parkedCopy{{"a/0", time.Hour, 0}}, parked.stored(), "the delivery does not count")
		require.EqualValues(t, 1, p.progress.acknowledged().Seq)
		require.Zero(t, p.Counters().Failed)
	})
}

func TestPostponedMessageThatIsTooLargeToBeParkedWaitsInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 1
		s := newParkingSetup(t, cfg, parkAfter)
		parked := &copies{refused: iggyerr.ErrTooLarge}
		s.app.park = parked.park
		deliveries := 0
		s.pool.Handle(func(m *deliver.Message) error {
			require.Equal(t, 1, m.Attempts())
			if deliveries++; deliveries < 3 {
				return deliver.Postpone(time.Hour, errBusy)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/0")
		time.Sleep(2*time.Hour + time.Second)
		synctest.Wait()
		require.Equal(t, 3, deliveries)
		require.EqualValues(t, 1, p.progress.acknowledged().Seq)
	})
}

func TestPostponeTexts(t *testing.T) {
	t.Parallel()
	require.EqualError(t, deliver.Postpone(time.Second, nil), "postponed by 1s")
	require.EqualError(t, deliver.Postpone(-time.Second, errBusy), errBusy.Error()+" (postponed by 0s)")
	require.ErrorIs(t, deliver.Postpone(0, errBusy), errBusy)
}
