package embedded_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// TestSymbolicLinksAreNotFollowed puts links in the places of the server's files. Their targets,
// outside and inside of the directory, must stay as they are.
func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	names := []string{
		"lock", "state.json", "state.json.new", "state.copy.json", "state.copy.json.new", "partitions/1-00000000000000000000.log",
		"partitions/1-00000000000000000006.log", "partitions/1.offsets", "partitions/1.offsets.new", "partitions/1-00000000000000000000.log.new",
	}
	for _, name := range names {
		for _, where := range []string{"outside", "inside", "dangling"} {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				dir, outside := t.TempDir(), t.TempDir()
				writeSix(t, dir)
				target := filepath.Join(outside, "file")
				if where == "inside" {
					target = filepath.Join(dir, "file")
				}
				const content = "of somebody else"
				if where != "dangling" {
					require.NoError(t, os.WriteFile(target, []byte(content), 0o600))
				}
				link := filepath.Join(dir, name)
				require.NoError(t, os.RemoveAll(link))
				require.NoError(t, os.Symlink(target, link))

				srv := startIn(t, dir)
				c := dial(t, srv)
				c.login(t)
				sendN(t, c, 0, 1)
				c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(0)))
				c.mustCall(t, embedded.CreateStream, []byte("\x05other"))
				stop(t, srv)
				if where == "dangling" {
					require.NoFileExists(t, target)
				} else {
					b, err := os.ReadFile(target)
					require.NoError(t, err)
					require.Equal(t, content, string(b))
				}
				if info, err := os.Lstat(link); err == nil {
					require.True(t, info.Mode().IsRegular())
				}
				stop(t, startIn(t, dir))
			})
		}
	}
}

func TestLinkInPlaceOfPartitionsIsRefused(t *testing.T) {
	t.Parallel()
	for label, target := range map[string]func(dir string) string{
		"outside": func(string) string { return t.TempDir() },
		"inside":  func(dir string) string { return filepath.Join(dir, "elsewhere") },
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeSix(t, dir)
			elsewhere := target(dir)
			require.NoError(t, os.RemoveAll(elsewhere))
			require.NoError(t, os.Rename(filepath.Join(dir, "partitions"), elsewhere))
			require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "partitions")))
			_, err := embedded.Start(embedded.WithDirectory(dir))
			require.EqualError(t, err, "embedded: directory "+dir+": partitions is a symbolic link, which is not followed")
			require.DirExists(t, elsewhere)
			link, err := os.Readlink(filepath.Join(dir, "partitions"))
			require.NoError(t, err)
			require.Equal(t, elsewhere, link)
		})
	}
}

// TestForeignFilesAreSetAside puts files and directories of somebody else among the server's.
func TestForeignFilesAreSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeSix(t, dir)
	foreign := []string{
		"notes.txt", "1.txt", "1-7.log", "01.offsets", "1-00000000000000000000.log.bak", "99-00000000000000000000.log", "99.offsets",
		".new", "notes.new", "-00000000000000000000.log", "18446744073709551616.offsets",
	}
	for _, name := range foreign {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "partitions", name), []byte(name), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "partitions", "1-00000000000000000003.log"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("mine"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "set-aside"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "set-aside", "notes.txt"), []byte("earlier"), 0o600))

	srv, seen := startSeeing(t, dir)
	require.Len(t, payloads(t, srv, 0), 6)
	entries := seen.FilterMessage("files set aside").All()
	require.Len(t, entries, 1)
	require.EqualValues(t, len(foreign)+1, entries[0].ContextMap()["count"])
	aside := map[string]string{"notes.txt": "earlier", "notes.txt.1": "notes.txt"}
	for _, name := range foreign[1:] {
		aside[name] = name
	}
	for name, want := range aside {
		b, err := os.ReadFile(filepath.Join(dir, "set-aside", name))
		require.NoError(t, err)
		require.Equal(t, want, string(b))
	}
	require.FileExists(t, filepath.Join(dir, "mine.txt"), "what is not in the way stays")
	require.Len(t, logFiles(t, dir, "*"), 2)
	stop(t, srv)
	_, seen = startSeeing(t, dir)
	require.Zero(t, seen.Len())
}

func TestFileInPlaceOfPartitionsIsSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "partitions"), []byte("a file"), 0o600))
	startIn(t, dir)
	b, err := os.ReadFile(filepath.Join(dir, "set-aside", "partitions"))
	require.NoError(t, err)
	require.Equal(t, "a file", string(b))
}

// TestHugeFilesAreSetAside makes files of a terabyte, which hold nothing.
func TestHugeFilesAreSetAside(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"lock", "state.json", "state.copy.json", "partitions/1-00000000000000000000.log", "partitions/1-00000000000000000006.log", "partitions/1.offsets",
	} {
		dir := t.TempDir()
		writeSix(t, dir)
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		require.NoError(t, file.Truncate(1<<40))
		require.NoError(t, file.Close())
		srv, seen := startSeeing(t, dir)
		require.Equal(t, 1, seen.FilterMessage("files set aside").Len(), name)
		info, err := os.Stat(filepath.Join(dir, "set-aside", filepath.Base(name)))
		require.NoError(t, err)
		require.EqualValues(t, 1<<40, info.Size())
		if name != "partitions/1-00000000000000000000.log" {
			require.Len(t, payloads(t, srv, 0), 6)
		}
		stop(t, srv)
	}
}
