package encoding_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
)

func TestSizeReturnsDeclaredSize(t *testing.T) {
	t.Parallel()
	src := bytes.Repeat([]byte("abc"), 100_000)
	for _, c := range all {
		out, err := encoding.Append(nil, c, src)
		require.NoError(t, err)
		require.Equal(t, len(src), encoding.Size(string(c), out), c)
	}
	for _, c := range []string{"s2", "zstd", "gzip", "br"} {
		require.Zero(t, encoding.Size(c, nil))
		require.Zero(t, encoding.Size(c, []byte{0xff}))
	}
}

func TestBoundHoldsWhateverAPayloadDeclares(t *testing.T) {
	t.Parallel()
	pack := func(c config.Compression, src []byte) []byte {
		out, err := encoding.Append(nil, c, src)
		require.NoError(t, err)
		return out
	}
	requireBound := func(least, most int, name string, payload []byte) {
		t.Helper()
		n, ok := encoding.Bound(name, payload)
		require.True(t, ok)
		require.GreaterOrEqual(t, n, least)
		require.LessOrEqual(t, n, most)
	}
	requireNone := func(name string, payload []byte) {
		t.Helper()
		_, ok := encoding.Bound(name, payload)
		require.False(t, ok)
	}
	src := bytes.Repeat([]byte("abc"), 200_000)
	for _, s := range [][]byte{src, make([]byte, 300_000), randomBytes(300_000)} { // several blocks
		requireBound(len(s), len(s), "zstd", pack(config.CompressionZstd, s))
		requireBound(len(s), len(s), "s2", pack(config.CompressionS2, s))
		requireNone("gzip", pack(config.CompressionGzip, s))
	}
	small := pack(config.CompressionZstd, src[:10])
	require.Zero(t, encoding.Size("zstd", small), "it is not declared")
	requireBound(10, 1024, "zstd", small)
	requireBound(len(src), len(src), "", src)
	requireNone("br", src)

	requireNone("zstd", append(slices.Clip(small), small...)) // two frames
	requireNone("zstd", small[:len(small)-1])
	requireNone("zstd", append(slices.Clip(small), 0))
	requireNone("zstd", nil)

	// Blocks that may have more than 2 GiB, also where an int has 32 bits.
	blocks := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3}, make([]byte, 3*20_000)...) // a window of 128 KiB
	requireBound(math.MaxInt32, math.MaxInt, "zstd", append(blocks, 1, 0, 0))

	// A frame that declares less than it has fails.
	large := pack(config.CompressionZstd, make([]byte, 64<<20))
	var h zstd.Header
	require.NoError(t, h.Decode(large))
	binary.LittleEndian.PutUint32(large[h.HeaderSize-4:], 70_000)
	requireBound(70_000, 70_000, "zstd", large)
	_, err := encoding.Decode("zstd", large, 128<<20)
	require.ErrorIs(t, err, encoding.ErrMalformed)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
