package roundtrip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/roundtrip"
)

func TestLeast(t *testing.T) {
	t.Parallel()
	var l roundtrip.Least
	begin := time.Unix(1000, 0)
	for _, step := range []struct{ at, took, want time.Duration }{
		{0, 5, 5},
		{1 * time.Second, 3, 3},
		{2 * time.Second, 9, 3},
		{11 * time.Second, 9, 3}, // of the period before
		{12 * time.Second, 7, 3},
		{22 * time.Second, 8, 7},
		{33 * time.Second, 9, 8},
		{50 * time.Second, 20, 9},
	} {
		require.Equal(t, step.want, l.Observe(step.took, begin.Add(step.at)), "at %s", step.at)
	}
}
