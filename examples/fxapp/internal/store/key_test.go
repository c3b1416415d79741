package store_test

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func TestKeyIsCreatedOnce(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	other, err := store.Open(dir) // like another process
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	var created atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			from := []*store.Store{s, other}[i%2]
			existing, ok, err := from.CreateKey("a key/with \"anything\"", store.Key{JobID: "j", Digest: "d", At: time.Now()})
			if err != nil || existing.JobID != "j" {
				t.Errorf("%v %v", existing, err)
			}
			if ok {
				created.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, created.Load())
	temporary, err := os.ReadDir(filepath.Join(dir, "tmp"))
	require.NoError(t, err)
	require.Empty(t, temporary)

	require.NoError(t, s.RemoveKey("a key/with \"anything\""))
	require.NoError(t, s.RemoveKey("a key/with \"anything\""), "again")
	_, ok, err := s.CreateKey("a key/with \"anything\"", store.Key{JobID: "k"})
	require.NoError(t, err)
	require.True(t, ok)
}

// A damaged file does not block its key.
func TestDamagedKeyIsPutAside(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "keys"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keys", "k.json"), []byte(`{"job_id": "j`), 0o640))
	key, created, err := s.CreateKey("k", store.Key{JobID: "new"})
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, "new", key.JobID)
}
