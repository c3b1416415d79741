package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestBatchKeep(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		payloads := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 50), 0, 20).Draw(t, "payloads")
		kept := rapid.SliceOfN(rapid.Bool(), len(payloads), len(payloads)).Draw(t, "kept")
		var b, want wire.Batch
		for i, p := range payloads {
			b.Append([16]byte{byte(i)}, uint64(i), p, nil)
			if kept[i] {
				want.AppendEncoded(b.Encoded(i))
			}
		}
		b.Keep(func(i int) bool { return kept[i] })
		require.Equal(t, want.Len(), b.Len())
		require.Equal(t, string(want.Bytes()), string(b.Bytes()))
		require.Equal(t, want.AppendIndex(nil), b.AppendIndex(nil))
		n := 0
		for m := range b.Messages() {
			require.Equal(t, m.ID, b.ID(n))
			n++
		}
		require.Equal(t, b.Len(), n)
	})
}

func TestBatchGrow(t *testing.T) {
	t.Parallel()
	var b wire.Batch
	b.Grow(1000, 10)
	bytes, messages := b.Free()
	require.Equal(t, 1000, bytes)
	require.Equal(t, 10, messages)
	require.Equal(t, 1000+4*10, b.Cap())
	b.Append([16]byte{1}, 1, []byte("x"), nil)
	before := b.Encoded(0)
	b.Grow(1000, 10)
	require.Equal(t, before, b.Encoded(0))
	bytes, messages = b.Free()
	require.Equal(t, 1000, bytes)
	require.Equal(t, 10, messages)
}
