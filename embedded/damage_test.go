package embedded_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// TestDamagedFileIsNeverFatal damages one file of a directory. The server must start, lose no more
// than what was damaged, and start again without finding anything.
func TestDamagedFileIsNeverFatal(t *testing.T) {
	t.Parallel()
	made := t.TempDir()
	writeSix(t, made)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "damage")
		require.NoError(t, err)
		require.NoError(t, os.CopyFS(dir, os.DirFS(made)))
		var files []string
		require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				files = append(files, path)
			}
			return err
		}))
		file := rapid.SampledFrom(files).Draw(rt, "file")
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		least := 0
		switch rapid.SampledFrom([]string{"flip", "truncate", "append", "replace", "directory", "remove"}).Draw(rt, "damage") {
		case "flip":
			if len(b) > 0 {
				b[rapid.IntRange(0, len(b)-1).Draw(rt, "position")] ^= rapid.ByteRange(1, 255).Draw(rt, "mask")
			}
			require.NoError(t, os.WriteFile(file, b, 0o600))
			least = 5
		case "truncate":
			length := rapid.IntRange(0, len(b)).Draw(rt, "length")
			require.NoError(t, os.WriteFile(file, b[:length], 0o600))
			least = min(length, 6*frameSize) / frameSize
			if filepath.Ext(file) != ".log" {
				least = 6
			}
		case "append":
			require.NoError(t, os.WriteFile(file, append(b, rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")...), 0o600))
			least = 6
		case "replace":
			require.NoError(t, os.WriteFile(file, rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes"), 0o600))
		case "directory":
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Mkdir(file, 0o700))
		case "remove":
			require.NoError(t, os.Remove(file))
		}
		srv := startIn(t, dir)
		left := messageCount(t, srv)
		require.GreaterOrEqual(t, left, least)
		stop(t, srv)
		srv, seen := startSeeing(t, dir)
		require.Zero(t, seen.FilterMessageSnippet("set aside").Len())
		require.Equal(t, left, messageCount(t, srv))
		stop(t, srv)
	})
}

// messageCount returns the number of messages in partition 0.
func messageCount(t testing.TB, srv *embedded.Server) int {
	t.Helper()
	held, err := srv.Messages("s", "t", 0)
	require.NoError(t, err)
	return len(held)
}
