package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// The values are the published test vectors of XXH32 with seed 0, and those of the reference
// program xxh32sum.
func TestXXH32(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want uint32
	}{
		{"", 0x02cc5d05},
		{"a", 0x550d7456},
		{"abc", 0x32d153ff},
		{"Nobody inspects the spammish repetition", 0xe2293b2f},
	} {
		require.Equal(t, tt.want, wire.XXH32(tt.in), "%q", tt.in)
		require.Equal(t, tt.want, wire.XXH32([]byte(tt.in)), "%q", tt.in)
	}
}

// The partitions that the server 0.8.0 gave to these keys, of four.
func TestPartitionOf(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]uint32{"job-1": 2, "job-2": 2, "z": 2, "abc": 3} {
		require.Equal(t, want, wire.PartitionOf(key, 4), key)
		require.Equal(t, want, wire.PartitionOf([]byte(key), 4), key)
	}
}
