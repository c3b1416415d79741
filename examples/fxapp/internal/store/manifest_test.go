package store_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func TestManifest(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	_, err := s.Manifest(job)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.Failure(job, "a")
	require.ErrorIs(t, err, store.ErrNotFound)
	m := store.Manifest{JobID: "job-1", JobType: "images", Resources: 2, At: time.Unix(1, 0).UTC(), Submitted: json.RawMessage(`{"a":1}`)}
	require.NoError(t, s.PutManifest(m))
	got, err := s.Manifest(job)
	require.NoError(t, err)
	require.Equal(t, m, got)
	require.Equal(t, "manifests/images/job-1.json", m.Key())
	require.FileExists(t, filepath.Join(dir, m.Key()))
}
