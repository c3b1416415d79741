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
			if rapid.IntRange(0, 3).Draw(t, "a new chunk") == 0 {
				b.AddChunk(make([]byte, 0, rapid.IntRange(wire.MessageHeaderSize, 300).Draw(t, "capacity")))
			}
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

// A message that does not fit in the last chunk goes to a new one. Chunks and ends that were given to a
// batch are its memory.
func TestBatchChunks(t *testing.T) {
	t.Parallel()
	var b wire.Batch
	ends, first := make([]wire.End, 0, 3), make([]byte, 0, 200)
	b.MoveEnds(ends)
	b.AddChunk(first)
	require.Equal(t, 200, b.Free())
	b.Append([16]byte{1}, 1, []byte("one"), nil)
	b.Append([16]byte{2}, 1, []byte("two"), nil)
	require.Equal(t, 200-2*wire.EncodedSize(3, 0), b.Free())
	require.Same(t, &first[:1][0], &b.Chunks()[0][0])
	b.Append([16]byte{3}, 1, make([]byte, 5000), nil)
	require.Len(t, b.Chunks(), 2)
	require.Zero(t, b.Free())
	require.Equal(t, [16]byte{3}, b.ID(2))
	require.Equal(t, 2*wire.EncodedSize(3, 0)+wire.EncodedSize(5000, 0), b.Size())
	require.Len(t, b.Bytes(), b.Size())

	larger := make([]wire.End, 0, 4)
	require.Same(t, &ends[:1][0], &b.MoveEnds(larger)[:1][0])
	b.Append([16]byte{4}, 1, []byte("four"), nil)
	require.Same(t, &larger[:1][0], &b.MoveEnds(nil)[:1][0])
	require.Equal(t, [16]byte{4}, b.ID(3))

	b.Reset()
	require.Zero(t, b.Len()+b.Size()+b.Free())
	require.Empty(t, b.Chunks())
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

func TestPrefetchEndsForAnyLength(t *testing.T) {
	t.Parallel()
	memory := make([]byte, 300)
	for n := range memory {
		wire.Prefetch(memory[:n])
		wire.Prefetch(memory[len(memory)-n:])
	}
	wire.Prefetch(nil)
}
