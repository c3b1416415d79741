package store_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func put(t *testing.T, s *store.Store, id, content string) {
	t.Helper()
	r, err := s.CreateResource(job, id)
	require.NoError(t, err)
	_, err = io.WriteString(r, content)
	require.NoError(t, err)
	require.NoError(t, r.Commit())
}

func TestResourceIsVisibleAfterCommit(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	r, err := s.CreateResource(job, "../../evil")
	require.NoError(t, err)
	_, err = io.WriteString(r, "half")
	require.NoError(t, err)
	has, err := s.HasResource(job, "../../evil")
	require.NoError(t, err)
	require.False(t, has, "nothing is visible before Commit")
	require.NoError(t, r.Commit())
	r.Abort()
	has, err = s.HasResource(job, "../../evil")
	require.NoError(t, err)
	require.True(t, has)
	got, err := os.ReadFile(filepath.Join(dir, "resources", "images", "job-1", "%2E.%2F..%2Fevil"))
	require.NoError(t, err)
	require.Equal(t, "half", string(got))

	aborted, err := s.CreateResource(job, "b")
	require.NoError(t, err)
	aborted.Abort()
	leftovers, err := os.ReadDir(filepath.Join(dir, "tmp"))
	require.NoError(t, err)
	require.Empty(t, leftovers)
}
