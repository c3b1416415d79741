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

func TestIncompleteOffsetIsSetAside(t *testing.T) {
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
	require.Equal(t, 1, seen.FilterMessage("incomplete write set aside").Len())
	offset, ok, err := srv.StoredConsumerOffset("s", "t", "c", 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.Zero(t, offset)
}

func TestDamagedOffsetCostsItselfOnly(t *testing.T) {
	t.Parallel()
	for label, damage := range map[string]func([]byte) []byte{
		"flipped byte": func(b []byte) []byte { b[18+7] ^= 1; return b },
		"missing byte": func(b []byte) []byte { return append(b[:18], b[19:]...) },
		"added bytes":  func(b []byte) []byte { return append(append(append([]byte{}, b[:20]...), "abc"...), b[20:]...) },
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			srv := startIn(t, dir)
			c := makeTopic(t, srv, 1)
			sendN(t, c, 0, 3)
			for _, who := range []string{"a", "b", "c"} {
				c.mustCall(t, embedded.StoreOffset, join(single(who), streamS, topicT, part(0), u64(2)))
			}
			stop(t, srv)
			file := logFiles(t, dir, ".offsets")[0]
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			broken := damage(b)
			require.NoError(t, os.WriteFile(file, broken, 0o600))
			srv, seen := startSeeing(t, dir)
			check := func() {
				for who, want := range map[string]bool{"a": true, "b": false, "c": true} {
					_, ok, err := srv.StoredConsumerOffset("s", "t", who, 0)
					require.NoError(t, err)
					require.Equal(t, want, ok, who)
				}
			}
			check()
			entries := seen.FilterMessage("damaged offsets set aside, the others kept").All()
			require.Len(t, entries, 1)
			kept, err := os.ReadFile(entries[0].ContextMap()["set_aside"].(string))
			require.NoError(t, err)
			require.Equal(t, broken, kept)
			stop(t, srv)
			srv, seen = startSeeing(t, dir)
			check()
			require.Zero(t, seen.Len())
		})
	}
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
