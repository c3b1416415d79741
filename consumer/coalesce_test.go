package consumer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// Waits that begin at any time end together, and never later than requested.
func TestLongWaitsEndTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reference := time.Now().Add(consumer.Coalesce(consumer.TimerGrid))
		for wait := consumer.TimerGrid; wait < time.Second; wait += 7 * time.Millisecond {
			time.Sleep(13 * time.Millisecond)
			d := consumer.Coalesce(wait)
			require.LessOrEqual(t, d, wait)
			require.Greater(t, d, max(0, wait-consumer.TimerGrid))
			require.Zero(t, time.Now().Add(d).Sub(reference)%consumer.TimerGrid)
		}
		require.Equal(t, time.Millisecond, consumer.Coalesce(time.Millisecond), "short waits are kept")
	})
}
