package encoding_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
)

func TestAppendKeepsPrefixAndSource(t *testing.T) {
	t.Parallel()
	src := []byte(strings.Repeat("fetchbox ", 1000))
	for _, c := range all[1:] {
		out, err := encoding.Append(nil, c, src)
		require.NoError(t, err, c)
		require.Less(t, len(out), len(src)/10, "%s compresses", c)
	}
	_, err := encoding.Append(nil, "lz4", src)
	require.ErrorIs(t, err, encoding.ErrUnknown)
	require.ErrorContains(t, err, `"lz4"`)
}

// compressible is a payload of about a kilobyte.
var compressible = []byte(strings.Repeat(`{"job_id":"01J9","resource_id":"r-1","url":"https://example.com/a"}`, 15))

func BenchmarkAppend(b *testing.B) {
	for _, c := range all[1:] {
		b.Run(string(c), func(b *testing.B) {
			b.SetBytes(int64(len(compressible)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = encoding.Append(dst[:0], c, compressible)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range all[1:] {
		b.Run(string(c), func(b *testing.B) {
			payload, err := encoding.Append(nil, c, compressible)
			require.NoError(b, err)
			b.SetBytes(int64(len(compressible)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encoding.Decode(string(c), payload, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
