package embedded_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestRetentionBoundsMemory(t *testing.T) {
	t.Parallel()
	const bound = 1 << 20
	for label, opts := range map[string][]embedded.Option{
		"in memory":      {embedded.WithRetention(bound)},
		"in a directory": {embedded.WithRetention(bound), embedded.WithDirectory(t.TempDir())},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			srv := start(t, opts...)
			c := makeTopic(t, srv, 1)
			payload := strings.Repeat("x", 1000)
			var n uint64
			for size := range 40 {
				batch := make([][]byte, 1+size*5)
				for i := range batch {
					n++
					batch[i] = message(n, payload, "")
				}
				c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), batch...))
			}
			held, err := srv.Messages("s", "t", 0)
			require.NoError(t, err)
			require.Less(t, len(held)*1064, 3*bound)
			require.Greater(t, len(held)*1064, bound/2)
			require.Equal(t, n-1, held[len(held)-1].Offset)
			require.Equal(t, n-uint64(len(held)), held[0].Offset)

			answer := c.mustCall(t, embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 1, 0, 1, 0))
			require.Equal(t, held[0].Offset, binary.LittleEndian.Uint64(answer[16+24:]), "the oldest that is left")
			answer = c.mustCall(t, embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 3, 0, 1, 0))
			require.Equal(t, held[0].Offset, binary.LittleEndian.Uint64(answer[16+24:]))
			answer = c.mustCall(t, embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 4, 0, 1<<31, 0))
			require.EqualValues(t, len(held), binary.LittleEndian.Uint32(answer[12:]))
		})
	}
}

// TestSaveEndsIncompletePurge expects that messages that have survived a purge are gone after the
// next save, and that a restart finds the new ones only.
func TestSaveEndsIncompletePurge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir, embedded.WithPurgeSavedOnly(true))
	c := makeTopic(t, srv, 1)
	sendN(t, c, 0, 3)
	c.mustCall(t, embedded.PurgeTopic, join(streamS, topicT))
	poll := pollBody(single("c"), streamS, topicT, 0, 3, 0, 10, 0)
	count := func() uint32 {
		t.Helper()
		return binary.LittleEndian.Uint32(c.mustCall(t, embedded.PollMessages, poll)[12:])
	}
	require.EqualValues(t, 3, count())
	sendN(t, c, 0, 2)
	require.EqualValues(t, 3, count())
	c.mustCall(t, embedded.FlushUnsavedBuffer, join(streamS, topicT, u32(0), []byte{0}))
	require.EqualValues(t, 2, count())
	srv.Crash()
	require.Len(t, payloads(t, startIn(t, dir), 0), 2)
}
