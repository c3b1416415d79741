package native_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
)

// Connections check together whether calls read, and never soon after a check: then each connection
// would seem to have no calls.
func TestConnectionsCheckTogetherForIdleReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reference := time.Now().Add(native.UntilIdleRead())
		for range 200 {
			wait := native.UntilIdleRead()
			require.Zero(t, time.Now().Add(wait).Sub(reference)%native.IdleReadInterval)
			require.GreaterOrEqual(t, wait, native.IdleReadInterval/2)
			require.Less(t, wait, native.IdleReadInterval*3/2)
			time.Sleep(13 * time.Millisecond)
		}
	})
}
