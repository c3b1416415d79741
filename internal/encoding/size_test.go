package encoding_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

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
