package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// A file of states is read once: what was read is not read again when a state is appended.
func TestStatesAreReadOnce(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	require.NoError(t, s.PutState(store.State{JobID: "j", Status: store.InProgress, Total: 3, Completed: 1}))
	state, err := s.State("j")
	require.NoError(t, err)
	require.EqualValues(t, 1, state.Completed)

	// Overwriting what was read shows whether it is read again. Another process appends.
	file := filepath.Join(dir, "ledger", "j.jsonl")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(bytes.Replace(b, []byte(`"resources_completed":1`), []byte(`"resources_completed":99`), 1), 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	f, err = os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write(bytes.Replace(b, []byte(`"resources_completed":1`), []byte(`"resources_completed":10`), 1))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	state, err = s.State("j")
	require.NoError(t, err)
	require.EqualValues(t, 10, state.Completed, "a state of another process is seen")

	states, err := s.Jobs(10)
	require.NoError(t, err)
	require.Equal(t, []store.State{state}, states)
}

// A file that was replaced, or got shorter, is read from its start.
func TestReplacedStatesAreReadAgain(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	require.NoError(t, s.PutState(store.State{JobID: "j", Status: store.InProgress, Total: 3, Completed: 2}))
	_, err := s.State("j")
	require.NoError(t, err)
	file := filepath.Join(dir, "ledger", "j.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{\"job_id\":\"j\",\"status\":\"queued\"}\n"), 0o640))
	state, err := s.State("j")
	require.NoError(t, err)
	require.Equal(t, store.Queued, state.Status)
	require.NoError(t, os.Remove(file))
	_, err = s.State("j")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func BenchmarkJobs(b *testing.B) {
	s, err := store.Open(b.TempDir())
	require.NoError(b, err)
	defer func() { _ = s.Close() }()
	for i := range 100 {
		id := string(rune('a'+i/26)) + string(rune('a'+i%26))
		for n := range uint32(50) {
			require.NoError(b, s.PutState(store.State{JobID: id, Total: 50, Completed: n}))
		}
	}
	for b.Loop() {
		_, err := s.Jobs(100)
		require.NoError(b, err)
	}
}
