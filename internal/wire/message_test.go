package wire_test

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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

// A message that ends before what it announces is never decoded, and the slices
// of one that is whole can't grow into the next one.
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

func TestBatchRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var batch wire.Batch
		var want []wire.Message
		size := 0
		for range rapid.IntRange(0, 30).Draw(t, "messages") {
			m := wire.Message{
				ID:              [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
				OriginTimestamp: rapid.Uint64().Draw(t, "origin"),
				Payload:         rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "payload"),
			}
			for range rapid.IntRange(0, 2).Draw(t, "headers") {
				m.Headers = wire.AppendHeader(m.Headers, rapid.StringN(1, 20, 255).Draw(t, "key"), rapid.StringN(1, 20, 255).Draw(t, "value"))
			}
			batch.Append(m.ID, m.OriginTimestamp, m.Payload, m.Headers)
			size += wire.EncodedSize(len(m.Payload), len(m.Headers))
			want = append(want, m)
		}
		require.Equal(t, len(want), batch.Len())
		require.Equal(t, size, batch.Size())
		require.GreaterOrEqual(t, batch.Cap(), size)
		var got []wire.Message
		for m := range batch.Messages() {
			got = append(got, m)
		}
		require.Equal(t, want, got)
		for range batch.Messages() {
			break // may be left early
		}

		index := batch.AppendIndex(nil)
		require.Len(t, index, wire.IndexSize*len(want))
		end := 0
		for i, m := range want {
			entry := index[i*wire.IndexSize:]
			end += wire.EncodedSize(len(m.Payload), len(m.Headers))
			require.Zero(t, binary.LittleEndian.Uint32(entry))
			require.Equal(t, uint32(end), binary.LittleEndian.Uint32(entry[4:]))
			require.Zero(t, binary.LittleEndian.Uint64(entry[8:]))
		}
		batch.Reset()
		require.Zero(t, batch.Len())
		require.Empty(t, batch.Bytes())
		require.Empty(t, batch.AppendIndex(nil))
	})
}

// FuzzDecodeMessage decodes anything without a panic, and what it decodes lies
// within what it was given.
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
