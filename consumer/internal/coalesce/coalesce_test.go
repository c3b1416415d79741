package coalesce_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/coalesce"
)

// Waits that begin at any time end together, and never later than they should.
func TestLongWaitsEndTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reference := time.Now().Add(coalesce.Delay(coalesce.Grid))
		for wait := coalesce.Grid; wait < time.Second; wait += 7 * time.Millisecond {
			time.Sleep(13 * time.Millisecond)
			d := coalesce.Delay(wait)
			require.LessOrEqual(t, d, wait)
			require.Greater(t, d, max(0, wait-coalesce.Grid))
			require.Zero(t, time.Now().Add(d).Sub(reference)%coalesce.Grid)
		}
		require.Equal(t, time.Millisecond, coalesce.Delay(time.Millisecond), "short waits are kept")
	})
}
