package consumer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// Waits that begin at any time end together, and never later than they should.
func TestLongWaitsEndOnTheSameBeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reference := time.Now().Add(consumer.OnBeat(consumer.Beat))
		for wait := consumer.Beat; wait < time.Second; wait += 7 * time.Millisecond {
			time.Sleep(13 * time.Millisecond)
			d := consumer.OnBeat(wait)
			require.LessOrEqual(t, d, wait)
			require.Greater(t, d, max(0, wait-consumer.Beat))
			require.Zero(t, time.Now().Add(d).Sub(reference)%consumer.Beat)
		}
		require.Equal(t, time.Millisecond, consumer.OnBeat(time.Millisecond), "short waits are kept")
	})
}
