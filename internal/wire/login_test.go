package wire_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// The body of the login is a recorded one of the official SDK.
func TestLoginFrame(t *testing.T) {
	t.Parallel()
	b := wire.AppendLogin(wire.BeginFrame(nil, wire.CodeLogin), "iggy", "iggy")
	wire.EndFrame(b, 0)
	require.Equal(t, "1b000000"+"26000000"+"04696767790469676779"+"05000000302e382e30"+"00000000", hex.EncodeToString(b))

	b = wire.AppendTokenLogin(wire.BeginFrame(nil, wire.CodeTokenLogin), "garbage")
	wire.EndFrame(b, 0)
	require.Equal(t, "0c000000"+"2c000000"+"0767617262616765", hex.EncodeToString(b))
}
