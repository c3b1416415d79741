package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// put stores a state as if it was the last one after all others.
func (f *fixture) put(t *testing.T, n int, state store.State) {
	t.Helper()
	require.NoError(t, f.store.PutState(state))
	at := time.Unix(1_700_000_000+int64(n), 0)
	require.NoError(t, os.Chtimes(filepath.Join(f.dir, "ledger", state.JobID+".jsonl"), at, at))
}

func TestJobsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	f := start(t)
	for n := range 5 {
		f.put(t, n, store.State{JobID: fmt.Sprintf("j%d", n), Status: store.Queued})
	}
	list := func(query string) (ids []string, more any) {
		response, answer := f.get(t, "/operators/jobs"+query)
		require.Equal(t, http.StatusOK, response.StatusCode, "%v", answer)
		for _, j := range answer["jobs"].([]any) {
			ids = append(ids, j.(map[string]any)["job_id"].(string))
		}
		return ids, answer["more"]
	}
	// The order is that of the times that the list shows.
	f.put(t, 5, store.State{JobID: "old", Status: store.Queued, At: time.Unix(1, 0)})
	f.put(t, 6, store.State{JobID: "new", Status: store.Queued, At: time.Unix(2, 0)})
	ids, _ := list("?limit=2")
	require.Equal(t, []string{"new", "old"}, ids)
	require.NoError(t, os.Remove(filepath.Join(f.dir, "ledger", "old.jsonl")))
	require.NoError(t, os.Remove(filepath.Join(f.dir, "ledger", "new.jsonl")))
	ids, more := list("?limit=2")
	require.Equal(t, []string{"j4", "j3"}, ids)
	require.Equal(t, true, more)
	ids, more = list("?limit=5")
	require.Len(t, ids, 5)
	require.Equal(t, false, more)
	ids, more = list("")
	require.Len(t, ids, 5)
	require.Equal(t, false, more)
	for _, limit := range []string{"0", "-1", "x", "1001", "99999999999999999999"} {
		response, _ := f.get(t, "/operators/jobs?limit="+limit)
		require.Equal(t, http.StatusBadRequest, response.StatusCode, limit)
	}
}

// Texts of servers and other programs are truncated, and tell their length.
func TestForeignTextIsBounded(t *testing.T) {
	t.Parallel()
	f := start(t)
	long := strings.Repeat("ä", 500_000)
	f.put(t, 0, store.State{JobID: "j", JobType: long, Status: store.Failed, LastError: long})
	for _, path := range []string{"/operators/jobs", "/operators/jobs/j"} {
		_, answer := f.get(t, path)
		if jobs, ok := answer["jobs"]; ok {
			answer = jobs.([]any)[0].(map[string]any)
		}
		for _, key := range []string{"job_type", "last_error"} {
			text := answer[key].(string)
			require.Less(t, len(text), 2200, path)
			require.True(t, strings.HasSuffix(text, "… (1000000 bytes)"), text[len(text)-40:])
		}
	}
	response, answer := f.get(t, "/operators/jobs?limit="+strings.Repeat("9", 5000))
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Less(t, len(fmt.Sprint(answer)), 2200)
	response, answer = f.post(t, strings.NewReader(valid), "Content-Encoding", strings.Repeat("x", 100_000))
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Less(t, len(fmt.Sprint(answer)), 2200)
}

func TestReplay(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.put(t, 0, store.State{JobID: "j", Status: store.Failed})
	replay := func(id string) (*http.Response, map[string]any) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+"/operators/jobs/"+id+"/replay", http.NoBody)
		require.NoError(t, err)
		return f.do(t, r)
	}
	response, answer := replay("j")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, map[string]any{"replayed": 2.0, "skipped": 0.0, "failed": 0.0}, answer)
	require.Equal(t, []string{"j"}, f.replayed)
	response, _ = replay("unknown")
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	f.replayErr = errors.New("no server")
	response, _ = replay("j")
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.put(t, 0, store.State{JobID: "j", Status: store.Failed})
	response, answer := f.get(t, "/operators/jobs/j/dead-letters")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, map[string]any{"dead_letters": []any{}, "total": 7.0}, answer)
	f.letters = []api.DeadLetter{{Position: "0/1", ResourceID: "r", Code: "DOWNLOAD_HTTP_4XX", Cause: strings.Repeat("x", 8000), State: "open"}}
	_, answer = f.get(t, "/operators/jobs/j/dead-letters")
	letter := answer["dead_letters"].([]any)[0].(map[string]any)
	require.Equal(t, "r", letter["resource_id"])
	require.Equal(t, "open", letter["state"])
	require.Less(t, len(letter["cause"].(string)), 2200)
	response, _ = f.get(t, "/operators/jobs/unknown/dead-letters")
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	f.replayErr = errors.New("no server")
	response, _ = f.get(t, "/operators/jobs/j/dead-letters")
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
}
