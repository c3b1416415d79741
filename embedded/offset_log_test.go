package embedded_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestTornOffsetRecordIsTruncated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir)
	c := makeTopic(t, srv, 1)
	sendN(t, c, 0, 3)
	for offset := range uint64(2) {
		c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(offset)))
	}
	stop(t, srv)
	files := logFiles(t, dir, ".offsets")
	require.Len(t, files, 1)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], b[:len(b)-1], 0o600))
	core, seen := observer.New(zapcore.WarnLevel)
	srv = startIn(t, dir, embedded.WithLogger(zap.New(core)))
	require.Equal(t, 1, seen.FilterMessage("torn record cut off").Len())
	offset, ok, err := srv.StoredConsumerOffset("s", "t", "c", 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.Zero(t, offset)
}

// TestOffsetsSurviveFailingDisk moves the directory away while offsets are stored, which fails like
// a full disk.
func TestOffsetsSurviveFailingDisk(t *testing.T) {
	t.Parallel()
	for label, back := range map[string]bool{"comes back": true, "stays away": false} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			srv := startIn(t, dir)
			c := makeTopic(t, srv, 1)
			sendN(t, c, 0, 3)
			c.mustCall(t, embedded.FlushUnsavedBuffer, join(streamS, topicT, u32(0), []byte{0}))
			partitions, away := filepath.Join(dir, "partitions"), filepath.Join(dir, "away")
			require.NoError(t, os.Rename(partitions, away))
			c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(2)))
			if !back {
				require.ErrorContains(t, srv.Stop(t.Context()), ".offsets", "what was confirmed is lost, so Stop must say so")
				return
			}
			require.NoError(t, os.Rename(away, partitions))
			stop(t, srv)
			srv = startIn(t, dir)
			offset, ok, err := srv.StoredConsumerOffset("s", "t", "c", 0)
			require.NoError(t, err)
			require.True(t, ok)
			require.EqualValues(t, 2, offset)
		})
	}
}
