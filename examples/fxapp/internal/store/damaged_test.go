//go:build unix

package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

const damagedMessage = "damaged file put aside"

// openLogged opens a store and returns what it logs.
func openLogged(t *testing.T) (*store.Store, string, *observer.ObservedLogs) {
	t.Helper()
	core, logged := observer.New(zap.DebugLevel)
	dir := t.TempDir()
	s, err := store.Open(dir, store.WithLogger(zap.New(core)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, dir, logged
}

// write writes a file that the store did not write.
func write(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
	require.NoError(t, os.WriteFile(name, []byte(content), 0o640))
}

// occupied is what may be in the place of a file.
var occupied = map[string]func(t *testing.T, name string){
	"an empty file":    func(t *testing.T, name string) { write(t, name, "") },
	"a truncated file": func(t *testing.T, name string) { write(t, name, `{"job_id": "job-1", "job_`) },
	"a foreign file":   func(t *testing.T, name string) { write(t, name, "#!/bin/sh\n") },
	"null":             func(t *testing.T, name string) { write(t, name, "null") },
	"other JSON":       func(t *testing.T, name string) { write(t, name, `{"job_id": "job-2", "job_type": "images"}`) },
	"a list":           func(t *testing.T, name string) { write(t, name, "[]") },
	"JSON that is deep": func(t *testing.T, name string) {
		write(t, name, strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000))
	},
	"a large file": func(t *testing.T, name string) {
		write(t, name, "")
		require.NoError(t, os.Truncate(name, 1<<40))
	},
	"a directory":     func(t *testing.T, name string) { require.NoError(t, os.MkdirAll(filepath.Join(name, "x"), 0o750)) },
	"a dangling link": func(t *testing.T, name string) { require.NoError(t, os.Symlink("nowhere", name)) },
	"a pipe":          func(t *testing.T, name string) { require.NoError(t, syscall.Mkfifo(name, 0o640)) },
}

func TestDamagedManifestIsPutAside(t *testing.T) {
	t.Parallel()
	for name, occupy := range occupied {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir, logged := openLogged(t)
			m := store.Manifest{JobID: job.ID, JobType: job.Type, Resources: 2, Submitted: []byte("{}")}
			file := filepath.Join(dir, m.Key())
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
			occupy(t, file)
			for range 3 {
				_, err := s.Manifest(job)
				require.ErrorIs(t, err, store.ErrNotFound)
			}
			entries := logged.FilterMessage(damagedMessage).All()
			require.Len(t, entries, 1)
			fields := entries[0].ContextMap()
			require.Equal(t, m.Key(), fields["file"])
			_, err := os.Lstat(filepath.Join(dir, fields["now"].(string)))
			require.NoError(t, err, "it is kept")
			require.NoError(t, s.PutManifest(m))
			got, err := s.Manifest(job)
			require.NoError(t, err)
			require.EqualValues(t, 2, got.Resources)
		})
	}
}

// What is not a regular file is no downloaded resource, and is not in the way of one.
func TestOnlyFilesAreResources(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a directory", "a dangling link", "a pipe"} {
		s, dir, _ := openLogged(t)
		file := filepath.Join(dir, "resources", "images", "job-1", "a")
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		occupied[name](t, file)
		has, err := s.HasResource(job, "a")
		require.NoError(t, err)
		require.False(t, has, name)
		count, err := s.Count(job)
		require.NoError(t, err)
		require.Equal(t, store.Count{}, count, name)
		put(t, s, "a", "content")
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "content", string(got), name)
	}
}

// A failure that can't be read still counts, and its task may be tried again.
func TestDamagedFailureCounts(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "foreign": "x", "null": "null"} {
		s, dir, logged := openLogged(t)
		write(t, filepath.Join(dir, "failures", "images", "job-1", "a"), content)
		for range 2 {
			count, err := s.Count(job)
			require.NoError(t, err)
			require.EqualValues(t, 1, count.Failed, name)
			require.Equal(t, store.CodeDamaged, count.LastFailure.Code)
		}
		require.Len(t, logged.FilterMessage(damagedMessage).All(), 1)
		write(t, filepath.Join(dir, "failures", "images", "job-1", "a"), content)
		_, err := s.Failure(job, "a")
		require.ErrorIs(t, err, store.ErrNotFound)
	}
}

// Files of others in the directory of a job do not count.
func TestForeignFilesAreNotCounted(t *testing.T) {
	t.Parallel()
	s, dir, _ := openLogged(t)
	put(t, s, "a", "content")
	for _, name := range []string{".DS_Store", ".nfs0001", "a copy", "a.part~1(2)"} {
		write(t, filepath.Join(dir, "resources", "images", "job-1", name), "")
	}
	count, err := s.Count(job)
	require.NoError(t, err)
	require.EqualValues(t, 1, count.Completed)
}

func TestStateAndLogReplaceWhatIsNoFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a directory", "a dangling link", "a pipe", "a foreign file"} {
		s, dir, _ := openLogged(t)
		for _, kind := range []string{"ledger", "logs"} {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, kind), 0o750))
			occupied[name](t, filepath.Join(dir, kind, "job-1.jsonl"))
		}
		_, err := s.State("job-1")
		require.ErrorIs(t, err, store.ErrNotFound, name)
		require.NoError(t, s.PutState(store.State{JobID: "job-1", Status: store.Queued, Total: 3}), name)
		state, err := s.State("job-1")
		require.NoError(t, err)
		require.EqualValues(t, 3, state.Total)
		require.NoError(t, s.AppendLog("job-1", store.LogEntry{Offset: 7, Entry: []byte(`{}`)}), name)
		r := s.OpenLog("job-1")
		entries, err := r.Next()
		require.NoError(t, err)
		require.Len(t, entries, 1, name)
		require.NoError(t, r.Close())
	}
}

// A line that is longer than any of the store's is skipped in pieces; the lines around it are read.
func TestForeignLinesAreSkipped(t *testing.T) {
	t.Parallel()
	s, dir, _ := openLogged(t)
	file := filepath.Join(dir, "ledger", "job-1.jsonl")
	require.NoError(t, s.PutState(store.State{JobID: "job-1", Status: store.Queued, Total: 3}))
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(strings.Repeat("x", 10<<20) + "\n" + `{"job_id": "job-2", "resources_completed": 7}` + "\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, s.PutState(store.State{JobID: "job-1", Status: store.InProgress, Total: 3, Completed: 1}))
	state, err := s.State("job-1")
	require.NoError(t, err)
	require.EqualValues(t, 1, state.Completed)
	require.Error(t, s.AppendLog("job-1", store.LogEntry{Entry: []byte(`"` + strings.Repeat("x", 4<<20) + `"`)}), "a line that nobody would read")
}
