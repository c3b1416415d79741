package native_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Answers are complete whatever pieces they come in, also when the reader is interrupted between
// two pieces.
func TestAnswersInPieces(t *testing.T) {
	t.Parallel()
	for piece := 1; piece < 100; piece += 3 {
		got, err := receive(t, calls[0], polled(3, "first", "second"), piece, 0)
		require.NoError(t, err)
		p := got.(*transport.Polled)
		require.Equal(t, uint32(3), p.Partition)
		require.Equal(t, uint64(2), p.CurrentOffset)
		require.Len(t, p.Messages, 2)
		require.Equal(t, "first", string(p.Messages[0].Payload))
		require.Equal(t, "second", string(p.Messages[1].Payload))
		require.False(t, p.Truncated)

		got, err = receive(t, calls[0], polled(3, "first", "second"), piece, 1)
		require.NoError(t, err)
		p = got.(*transport.Polled)
		require.Len(t, p.Messages, 1)
		require.True(t, p.Truncated)

		got, err = receive(t, calls[1], frame(topicOf(3)), piece, 0)
		require.NoError(t, err)
		require.Equal(t, transport.Topic{Partitions: []transport.Partition{
			{ID: 0, Messages: 3, CurrentOffset: 2}, {ID: 1, Messages: 2, CurrentOffset: 1}, {ID: 2, Messages: 1},
		}}, got)

		got, err = receive(t, calls[2], frame(groupOf(3)), piece, 0)
		require.NoError(t, err)
		require.Equal(t, transport.Members{Partitions: [][]uint32{{}, {10}, {20, 21}}}, got)
	}
}

// These answers were recorded from the server 0.8.0.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call int
		body string
		want any
	}{
		"topic of four partitions, one renewed": {
			1, "000000001fc2c8f3ff6006000400000000a493d600000000010000000000000000010000000000000000000000000000000005746f706963" +
				"0000000043c2c8f3ff60060001000000000000000000000000000000000000000000000000000000" +
				"0100000043c2c8f3ff60060001000000000000000000000000000000000000000000000000000000" +
				"0200000043c2c8f3ff60060001000000000000000000000000000000000000000000000000000000" +
				"0300000095f1c8f3ff60060001000000000000000000000000000000000000000000000000000000",
			transport.Topic{Partitions: []transport.Partition{{ID: 0}, {ID: 1}, {ID: 2}, {ID: 3}}},
		},
		"topic with messages": {
			1, "00000000d2a83a2af860060002000000ffffffffffffffff01ffffffffffffffff01a8020000000000000a000000000000000174" +
				"00000000daa83a2af86006000100000004000000000000005401000000000000050000000000000001000000daa83a2af860060001000000040000000000000054010000000000000500000000000000",
			transport.Topic{Partitions: []transport.Partition{{ID: 0, Messages: 5, CurrentOffset: 4}, {ID: 1, Messages: 5, CurrentOffset: 4}}},
		},
		"group of one": {
			2, "0000000004000000010000000167000000000400000000000000010000000200000003000000",
			transport.Members{Partitions: [][]uint32{{0, 1, 2, 3}}},
		},
		"group with a member without partitions": {
			2, "00000000040000000200000001670000000004000000000000000100000002000000030000000100000000000000",
			transport.Members{Partitions: [][]uint32{{0, 1, 2, 3}, {}}},
		},
		"offset":                      {3, "0000000009000000000000000500000000000000", transport.Offset{Stored: true, Offset: 5, CurrentOffset: 9}},
		"no offset":                   {3, "", transport.Offset{}},
		"poll that names a partition": {0, "00000000090000000000000000000000", &transport.Polled{CurrentOffset: 9}},
		"login":                       {4, "00000000", nil},
		"cluster of one": {
			7, recordedCluster,
			transport.Cluster{Name: "single-node", Nodes: []transport.Node{{Name: "iggy-node", Host: "127.0.0.1", Port: 8090, Leader: true}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := hex.DecodeString(tt.body)
			require.NoError(t, err)
			got, err := receive(t, calls[tt.call], frame(body), 1000, 0)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestMalformedClusterIsRefused(t *testing.T) {
	t.Parallel()
	whole, err := hex.DecodeString(recordedCluster)
	require.NoError(t, err)
	for n := range whole {
		_, err := receive(t, calls[7], frame(whole[:n]), 1000, 0)
		require.ErrorIs(t, err, iggyerr.ErrProtocol, "%d bytes", n)
	}
	for name, change := range map[string]func([]byte) []byte{
		"a byte more":    func(b []byte) []byte { return append(b, 0) },
		"too many nodes": func(b []byte) []byte { b[15] = 65; return b },
		"a node more":    func(b []byte) []byte { b[15] = 2; return b },
		"a long name":    func(b []byte) []byte { b[3] = 0xff; return b },
	} {
		_, err := receive(t, calls[7], frame(change(slices.Clone(whole))), 1000, 0)
		require.ErrorIs(t, err, iggyerr.ErrProtocol, name)
	}
}
