package embedded_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// FuzzBatch validates arbitrary indexes and messages. What is accepted must be complete messages,
// one after the other.
func FuzzBatch(f *testing.F) {
	for _, x := range seeds(f) {
		if x.Code == embedded.SendMessages {
			at := 4 + int(binary.LittleEndian.Uint32(x.Request))
			count := int(binary.LittleEndian.Uint32(x.Request[at-4:]))
			f.Add([]byte(x.Request[at:at+16*count]), []byte(x.Request[at+16*count:]))
		}
	}
	f.Fuzz(func(t *testing.T, indexes, data []byte) {
		ends, status := embedded.ValidateBatch(indexes, data, len(indexes)/16)
		if status != embedded.StatusOK {
			return
		}
		require.Len(t, ends, len(indexes)/16)
		at := 0
		for i, m := range splitMessages(data) {
			at += len(m)
			require.EqualValues(t, ends[i], at)
		}
		require.Equal(t, len(data), at)
	})
}
