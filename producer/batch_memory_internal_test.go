package producer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizesOfPieces(t *testing.T) {
	t.Parallel()
	before, seen := 0, map[int]int{}
	for n := 1; n <= 1<<16; n++ {
		up := roundUp(n)
		require.GreaterOrEqual(t, up, n)
		require.LessOrEqual(t, 4*(up-n), max(up, 4), "at most a quarter is free, n is %d", n)
		require.GreaterOrEqual(t, up, before)
		require.Equal(t, up, roundUp(up))
		if of, ok := seen[class(up)]; ok {
			require.Equal(t, of, up, "the sizes of a class are equal")
		}
		seen[class(up)], before = up, up
	}
}
