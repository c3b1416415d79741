package producer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
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

// TestLittleMemoryIsFreeUnderASmallLimit fills batches with 7 to 112 messages of 576 bytes.
func TestLittleMemoryIsFreeUnderASmallLimit(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	m := &batchMemory{limit: newBufferLimit(nil, limit, limit, true, func() {})}
	payload, used := make([]byte, 512), 0
	for i := range 16 {
		b := m.get()
		for range 7 * (i + 1) {
			size, grant := wire.MessageHeaderSize+len(payload), int64(0)
			require.Zero(t, m.grow(b, size, &grant))
			b.wire.Append([16]byte{}, 0, payload, nil)
			b.messages = append(b.messages, pendingMessage{})
			used += size
		}
	}
	require.Greater(t, used, limit/2)
	require.Less(t, m.limit.memory.Load(), int64(used*4/3))
}
