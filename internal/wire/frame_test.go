package wire_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Bytes that are written after a frame count as its body.
func TestFrameWithTail(t *testing.T) {
	t.Parallel()
	b := append(wire.BeginFrame(make([]byte, 0, 64), 101), 1, 2, 3)
	wire.EndFrame(b, 1000)
	require.Equal(t, "ef030000"+"65000000"+"010203", hex.EncodeToString(b))
}
