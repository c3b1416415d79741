package store_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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

func put(t *testing.T, s *store.Store, id, content string) {
	t.Helper()
	r, err := s.CreateResource(job, id)
	require.NoError(t, err)
	_, err = io.WriteString(r, content)
	require.NoError(t, err)
	require.NoError(t, r.Commit())
}

func TestNamesStayInsideAndApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := func(label string) string {
			return rapid.OneOf(rapid.String(), rapid.StringMatching(`[./\\%~a]{0,12}`),
				rapid.StringMatching(`é{60,200}`)).Draw(t, label)
		}
		a, b := id("a"), id("b")
		name := store.Name(a)
		if name == "" || len(name) > 200 || strings.ContainsAny(name, "/\\\x00") || name[0] == '.' || !filepath.IsLocal(name) {
			t.Fatalf("%q is named %q", a, name)
		}
		if (a == b) != (name == store.Name(b)) {
			t.Fatalf("%q and %q are named %q and %q", a, b, name, store.Name(b))
		}
	})
	require.Equal(t, "img-1_a.b.png", store.Name("img-1_a.b.png"), "usual names stay as they are")
	require.Equal(t, "%2E.%2F..%2Fetc", store.Name("../../etc"))
}

func TestResourceAppearsWhole(t *testing.T) {
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

func TestNothingLeavesTheDirectory(t *testing.T) {
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

func TestCountCountsResourcesAndNotEvents(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	count, err := s.Count(job)
	require.NoError(t, err)
	require.Equal(t, store.Count{}, count)

	put(t, s, "a", "1")
	put(t, s, "a", "1")
	put(t, s, "b", "2")
	require.NoError(t, s.PutFailure(job, "c", store.Failure{Code: "DOWNLOAD_HTTP_4XX", Message: "404"}))
	require.NoError(t, s.PutFailure(job, "c", store.Failure{Code: "DOWNLOAD_HTTP_4XX", Message: "404"}))
	count, err = s.Count(job)
	require.NoError(t, err)
	require.EqualValues(t, 2, count.Completed)
	require.EqualValues(t, 1, count.Failed)
	require.Equal(t, "404", count.Last.Message)

	put(t, s, "c", "3")
	count, err = s.Count(job)
	require.NoError(t, err)
	require.Equal(t, store.Count{Completed: 3}, count, "a resource that was put back and fetched is no failure any more")
}

func TestLedgerKeepsTheLatestState(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	_, err := s.State("job-1")
	require.ErrorIs(t, err, store.ErrNotFound)
	states := []store.State{
		{Status: store.Queued, Total: 3},
		{Status: store.InProgress, Total: 3},
		{Status: store.InProgress, Total: 3, Failed: 1},
		{Status: store.InProgress, Total: 3, Completed: 1},
		{Status: store.Partial, Total: 3, Completed: 2, Failed: 1},
		{Status: store.Completed, Total: 3, Completed: 3},
	}
	for i := range states {
		states[i].JobID, states[i].JobType = "job-1", "images"
	}
	for i, state := range states {
		require.NoError(t, s.PutState(state))
		for _, earlier := range states[:i+1] {
			require.NoError(t, s.PutState(earlier), "late and doubled states")
		}
		got, err := s.State("job-1")
		require.NoError(t, err)
		require.Equal(t, state, got)
	}
	jobs, err := s.Jobs(10)
	require.NoError(t, err)
	require.Equal(t, states[len(states)-1:], jobs)
}

func TestLedgerOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	a, dir := open(t)
	b, err := store.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	const n = 100
	var wg sync.WaitGroup
	for _, s := range []*store.Store{a, b} {
		wg.Go(func() {
			for i := range n {
				if err := s.PutState(store.State{JobID: "j", Status: store.InProgress, Total: n, Completed: uint32(i + 1)}); err != nil {
					t.Error(err)
				}
				if got, err := s.State("j"); err != nil || got.Completed < uint32(i+1) {
					t.Errorf("%v, %v: fell behind %d", got, err, i+1)
				}
			}
		})
	}
	wg.Wait()
	got, err := a.State("j")
	require.NoError(t, err)
	require.EqualValues(t, n, got.Completed)
}

func TestLongLogs(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	r := s.Logs("job-1")
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	for i, size := range []int{100, 70_000, 10, 500_000, 65_000} {
		record, err := json.Marshal(strings.Repeat("x", size))
		require.NoError(t, err)
		require.NoError(t, s.AppendLog("job-1", store.Log{Offset: uint64(i), Record: record}))
	}
	var sizes []int
	for {
		logs, err := r.Next()
		require.NoError(t, err)
		if len(logs) == 0 {
			break
		}
		for _, log := range logs {
			sizes = append(sizes, len(log.Record)-2)
		}
	}
	require.Equal(t, []int{100, 70_000, 10, 500_000, 65_000}, sizes)
}

func TestLogIsReadInOrderAndOnce(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	r := s.Logs("job-1")
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	next := func() (offsets []uint64) {
		logs, err := r.Next()
		require.NoError(t, err)
		for _, log := range logs {
			offsets = append(offsets, log.Offset)
		}
		return offsets
	}
	add := func(partition uint32, offset uint64) {
		require.NoError(t, s.AppendLog("job-1", store.Log{Partition: partition, Offset: offset, Record: json.RawMessage(`{}`)}))
	}
	require.Empty(t, next(), "no log yet")
	add(2, 0)
	add(2, 5)
	add(2, 5)
	require.Equal(t, []uint64{0, 5}, next())
	require.Empty(t, next())
	add(2, 0)
	add(2, 6)
	add(1, 3) // the topic got more partitions
	require.Equal(t, []uint64{6, 3}, next())

	f, err := os.OpenFile(filepath.Join(dir, "logs", "job-1.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("\n{\"partition\":2,\"off") // a crash in the middle of a line
	require.NoError(t, err)
	require.NoError(t, f.Close())
	add(2, 7)
	require.Equal(t, []uint64{7}, next())
}

func TestManifestAndFailure(t *testing.T) {
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

func TestOpenSweepsWhatACrashLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tmp := filepath.Join(dir, "tmp")
	require.NoError(t, os.Mkdir(tmp, 0o750))
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "new": time.Hour} {
		require.NoError(t, os.WriteFile(filepath.Join(tmp, name), nil, 0o640))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(filepath.Join(tmp, name), at, at))
	}
	s, err := store.Open(dir)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoFileExists(t, filepath.Join(tmp, "old"))
	require.FileExists(t, filepath.Join(tmp, "new"), "another process may be writing it")
}
