package embedded_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// TestXXH32 compares with published values of the hash.
func TestXXH32(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]uint32{
		"":    0x02cc5d05,
		"a":   0x550d7456,
		"abc": 0x32d153ff,
		"Nobody inspects the spammish repetition": 0xe2293b2f,
	} {
		require.Equal(t, want, embedded.XXH32([]byte(input)), input)
	}
}
