package wire_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestBatchKeep(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		payloads := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 50), 0, 20).Draw(t, "payloads")
		kept := rapid.SliceOfN(rapid.Bool(), len(payloads), len(payloads)).Draw(t, "kept")
		var b, want wire.Batch
		for i, p := range payloads {
			b.Append([16]byte{byte(i)}, uint64(i), p, nil)
			if kept[i] {
				want.AppendEncoded(b.Encoded(i))
			}
		}
		b.Keep(func(i int) bool { return kept[i] })
		require.Equal(t, want.Len(), b.Len())
		require.Equal(t, string(want.Bytes()), string(b.Bytes()))
		require.Equal(t, want.AppendIndex(nil), b.AppendIndex(nil))
		n := 0
		for m := range b.Messages() {
			require.Equal(t, m.ID, b.ID(n))
			n++
		}
		require.Equal(t, b.Len(), n)
	})
}

func TestBatchGrow(t *testing.T) {
	t.Parallel()
	var b wire.Batch
	b.Grow(1000, 10)
	bytes, messages := b.Free()
	require.Equal(t, 1000, bytes)
	require.Equal(t, 10, messages)
	require.Equal(t, 1000+4*10, b.Cap())
	b.Append([16]byte{1}, 1, []byte("x"), nil)
	before := b.Encoded(0)
	b.Grow(1000, 10)
	require.Equal(t, before, b.Encoded(0))
	bytes, messages = b.Free()
	require.Equal(t, 1000, bytes)
	require.Equal(t, 10, messages)
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
		require.Len(t, index, wire.IndexEntrySize*len(want))
		end := 0
		for i, m := range want {
			entry := index[i*wire.IndexEntrySize:]
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
