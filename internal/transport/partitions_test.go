package transport_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestPartitionReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		reads := 0
		for range transport.PartitionReads(t.Context()) {
			reads++
		}
		require.Equal(t, 8, reads)
		require.Equal(t, 635*time.Millisecond, time.Since(began))
		for range transport.PartitionReads(t.Context()) {
			break
		}
		require.Equal(t, 635*time.Millisecond, time.Since(began), "there is no pause after the last read")

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		began, reads = time.Now(), 0
		for range transport.PartitionReads(ctx) {
			reads++
		}
		require.Equal(t, 3, reads)
		require.Equal(t, 20*time.Millisecond, time.Since(began))
	})
}
