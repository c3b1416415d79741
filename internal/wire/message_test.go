package wire_test

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// stored is a message with two user headers, as the server 0.8.0 stored it.
const stored = "ee2007cc7cbf396a" + "0190a0b0000070008000000000000000" + "0000000000000000" + "c9fcc8f3ff600600" +
	"2afcc8f3ff600600" + "41000000" + "09000000" + "0000000000000000" +
	"7061796c6f61642d30" +
	"020c000000636f6e74656e742d7479706502160000006170706c69636174696f6e2f782d70726f746f627566" +
	"0207000000617474656d70740b0400000000000000"

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestDecodeStored(t *testing.T) {
	t.Parallel()
	b := unhex(t, stored)
	m, n, err := wire.DecodeMessage(append(b, "what follows"...))
	require.NoError(t, err)
	require.Equal(t, len(b), n)
	require.Equal(t, "0190a0b0000070008000000000000000", hex.EncodeToString(m.ID[:]))
	require.Zero(t, m.Offset)
	require.Equal(t, uint64(0x000660fff3c8fcc9), m.Timestamp)
	require.Equal(t, uint64(0x000660fff3c8fc2a), m.OriginTimestamp)
	require.Equal(t, "payload-0", string(m.Payload))
	var got []string
	require.NoError(t, wire.RangeHeaders(m.Headers, func(key, value string) bool {
		got = append(got, key+"="+value)
		return true
	}))
	require.Equal(t, []string{"content-type=application/x-protobuf", "attempt=0"}, got)
}

// A message that ends before what it announces is never decoded, and the slices of one that is
// whole can't grow into the next one.
func TestDecodeTruncated(t *testing.T) {
	t.Parallel()
	b := unhex(t, stored)
	for n := range b {
		_, _, err := wire.DecodeMessage(b[:n])
		require.ErrorIs(t, err, wire.ErrTruncated, "%d bytes", n)
	}
	for _, at := range []int{48, 52} {
		long := unhex(t, stored)
		binary.LittleEndian.PutUint32(long[at:], 1<<32-1)
		m := wire.Message{Offset: 7}
		_, err := m.Decode(long)
		require.ErrorIs(t, err, wire.ErrTruncated)
		require.Equal(t, wire.Message{Offset: 7}, m)
	}
	m, _, err := wire.DecodeMessage(b)
	require.NoError(t, err)
	require.Equal(t, len(m.Payload), cap(m.Payload))
	require.Equal(t, len(m.Headers), cap(m.Headers))
}

// FuzzDecodeMessage decodes anything without a panic, and what it decodes lies within what it was
// given.
func FuzzDecodeMessage(f *testing.F) {
	f.Add(unhex(f, stored))
	f.Add(unhex(f, stored)[:100])
	f.Add(make([]byte, wire.MessageHeaderSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, n, err := wire.DecodeMessage(b)
		size, sizeErr := wire.MessageSize(b)
		require.Equal(t, len(b) < wire.MessageHeaderSize, sizeErr != nil)
		if err != nil {
			require.ErrorIs(t, err, wire.ErrTruncated)
			require.True(t, sizeErr != nil || size > uint64(len(b)))
			return
		}
		require.Equal(t, size, uint64(n))
		require.LessOrEqual(t, n, len(b))
		require.Equal(t, n, wire.EncodedSize(len(m.Payload), len(m.Headers)))
		// What was decoded encodes to the same bytes, but for what the server sets.
		var again wire.Batch
		again.Append(m.ID, m.OriginTimestamp, m.Payload, m.Headers)
		require.Equal(t, b[wire.MessageHeaderSize:n], again.Bytes()[wire.MessageHeaderSize:])
		require.Equal(t, b[8:24], again.Bytes()[8:24])
		require.Equal(t, b[40:56], again.Bytes()[40:56])
	})
}
