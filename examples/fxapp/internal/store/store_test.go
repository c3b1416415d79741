package store_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

var job = store.Job{Type: "images", ID: "job-1"}

func open(t *testing.T) (*store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, dir
}

func TestSymbolicLinksOutsideAreRefused(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	outside := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "resources"), 0o750))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "resources", "images")))
	r, err := s.CreateResource(job, "a")
	require.NoError(t, err)
	require.Error(t, r.Commit(), "a symbolic link leads outside")
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestOpenRemovesOldTemporaryFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tmp := filepath.Join(dir, "tmp")
	old, recent := "fetchbox-"+rand.Text(), "fetchbox-"+rand.Text()
	require.NoError(t, os.Mkdir(tmp, 0o750))
	for name, age := range map[string]time.Duration{old: 25 * time.Hour, recent: time.Hour, "old": 25 * time.Hour, "fetchbox-old": 25 * time.Hour} {
		require.NoError(t, os.WriteFile(filepath.Join(tmp, name), nil, 0o640))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(filepath.Join(tmp, name), at, at))
	}
	s, err := store.Open(dir)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoFileExists(t, filepath.Join(tmp, old))
	require.FileExists(t, filepath.Join(tmp, recent), "another process may be writing it")
	require.FileExists(t, filepath.Join(tmp, "old"), "someone else's file")
	require.FileExists(t, filepath.Join(tmp, "fetchbox-old"), "someone else's file")
}

func TestDirectoryMustBeNamed(t *testing.T) {
	t.Parallel()
	_, err := store.Open("")
	require.Error(t, err)
}
