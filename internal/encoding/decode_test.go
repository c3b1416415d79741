package encoding_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
)

var all = []config.Compression{config.CompressionNone, config.CompressionS2, config.CompressionZstd, config.CompressionGzip}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(all).Draw(t, "compression")
		unit := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "unit")
		src := bytes.Repeat(unit, rapid.IntRange(1, 500).Draw(t, "times"))
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "prefix")

		out, err := encoding.Append(append([]byte(nil), prefix...), c, src)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(out, prefix))

		limit := rapid.SampledFrom([]int{0, -1, max(1, len(src)), len(src) + 1, 1 << 30}).Draw(t, "limit")
		got, err := encoding.Decode(string(c), out[len(prefix):], limit)
		require.NoError(t, err)
		require.True(t, bytes.Equal(src, got))
	})
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	big := make([]byte, 1<<20)
	for _, c := range all {
		bomb, err := encoding.Append(nil, c, big)
		require.NoError(t, err, c)
		_, err = encoding.Decode(string(c), bomb, len(big)-1)
		require.ErrorIs(t, err, iggyerr.ErrTooLarge, c)
		_, err = encoding.Decode(string(c), bomb, len(big))
		require.NoError(t, err, c)
	}
	for _, c := range all[1:] {
		_, err := encoding.Decode(string(c), nil, 10)
		if c == config.CompressionZstd { // no frame at all is an empty content
			require.NoError(t, err, c)
		} else {
			require.ErrorIs(t, err, encoding.ErrMalformed, c)
		}
		_, err = encoding.Decode(string(c), []byte("\xff\xff\xffnot compressed"), 1<<20)
		require.Error(t, err, c)
		whole, err := encoding.Append(nil, c, []byte("a payload that is cut short"))
		require.NoError(t, err, c)
		_, err = encoding.Decode(string(c), whole[:len(whole)-3], 1<<20)
		require.ErrorIs(t, err, encoding.ErrMalformed, c)
	}
	_, err := encoding.Decode("br", []byte("x"), 10)
	require.ErrorIs(t, err, encoding.ErrUnknown)
	require.ErrorContains(t, err, `"br"`)
}

// A frame may hide its size, and many frames may stand one after another: the limit holds for what
// comes out.
func TestDecodeBoundsZstdOfUnknownSize(t *testing.T) {
	t.Parallel()
	var stream bytes.Buffer
	w, err := zstd.NewWriter(&stream, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	for range 12 {
		_, err = w.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, w.Flush())
	}
	require.NoError(t, w.Close())
	one, err := encoding.Append(nil, config.CompressionZstd, make([]byte, 1<<20))
	require.NoError(t, err)

	for name, bomb := range map[string][]byte{"unknown size": stream.Bytes(), "many frames": bytes.Repeat(one, 12)} {
		got, err := encoding.Decode("zstd", bomb, 12<<20)
		require.NoError(t, err, name)
		require.Len(t, got, 12<<20, name)
		_, err = encoding.Decode("zstd", bomb, 12<<20-1)
		require.ErrorIs(t, err, iggyerr.ErrTooLarge, name)
	}
}

// Not parallel: it looks at the memory of the whole process.
func TestDecodeBoundsMemoryOfFalseSizes(t *testing.T) {
	// A zstd frame header that claims 1 GiB in a single segment, and an empty last block.
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}
	frame = binary.LittleEndian.AppendUint64(frame, 1<<30)
	frame = append(frame, 1, 0, 0)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := encoding.Decode("zstd", frame, 16<<20)
	require.ErrorIs(t, err, iggyerr.ErrTooLarge)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))

	runtime.ReadMemStats(&before)
	bomb, err := encoding.Append(nil, config.CompressionGzip, make([]byte, 16<<20))
	require.NoError(t, err)
	_, err = encoding.Decode("gzip", bomb, 1<<20)
	require.ErrorIs(t, err, iggyerr.ErrTooLarge)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20+8<<20))
}

func FuzzDecode(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i, c := range all {
		src := bytes.Repeat([]byte{byte(rnd.Uint32())}, 300)
		out, err := encoding.Append(nil, c, src)
		require.NoError(f, err)
		f.Add(uint8(i), out)
	}
	f.Fuzz(func(t *testing.T, which uint8, payload []byte) {
		c := all[int(which)%len(all)]
		const limit = 1 << 16
		got, err := encoding.Decode(string(c), payload, limit)
		if err == nil {
			require.LessOrEqual(t, len(got), limit)
			if bound, ok := encoding.Bound(string(c), payload); ok {
				require.LessOrEqual(t, len(got), bound)
			}
		}
	})
}
