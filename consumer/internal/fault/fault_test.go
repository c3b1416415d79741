package fault_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
)

var errBusy = errors.New("busy")

func TestFaultIsLoggedAtTheBeginningAndOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f fault.Fault
		require.False(t, f.Active())
		_, was := f.End()
		require.False(t, was)
		require.True(t, f.Occurred(errBusy))
		logged := 1
		for range 179 {
			time.Sleep(time.Second)
			if f.Occurred(errBusy) {
				logged++
			}
		}
		require.Equal(t, 3, logged)
		require.True(t, f.Active())
		require.Equal(t, errBusy, f.Cause())
		lasted, was := f.End()
		require.True(t, was)
		require.Equal(t, 179*time.Second, lasted)
		require.NoError(t, f.Cause())
		require.True(t, f.Occurred(errBusy), "it begins again")
	})
}
