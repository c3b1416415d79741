package jobs_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// A time of any producer can be written as JSON.
func TestTime(t *testing.T) {
	t.Parallel()
	stored := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for ms, want := range map[uint64]time.Time{
		0:                         stored,
		1:                         time.UnixMilli(1).UTC(),
		1_764_331_200_123:         time.UnixMilli(1_764_331_200_123).UTC(),
		253_402_300_799_999:       time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
		253_402_300_800_000:       stored,
		1_764_331_200_123_456:     stored, // microseconds
		1_764_331_200_123_456_789: stored, // nanoseconds
		math.MaxUint64:            stored,
	} {
		got := jobs.Time(ms, stored)
		require.Equal(t, want, got, "%d", ms)
		_, err := got.MarshalJSON()
		require.NoError(t, err)
	}
}
