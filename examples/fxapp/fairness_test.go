package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// startSlowServer returns a server whose resources below /drip take forever, byte by byte, and whose
// others are there at once.
func startSlowServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		for tick := time.NewTicker(100 * time.Millisecond); strings.HasPrefix(r.URL.Path, "/drip"); {
			if _, err := w.Write([]byte{1}); err != nil || out.Flush() != nil {
				return
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// manifestOf returns a manifest with n resources: base0, base1, …
func manifestOf(n int, base string) []byte {
	var resources []map[string]string
	for i := range n {
		resources = append(resources, map[string]string{"id": fmt.Sprint("r", i), "url": fmt.Sprint(base, i)})
	}
	b, _ := json.Marshal(map[string]any{"manifest_version": "v1", "metadata": map[string]any{}, "resources": resources})
	return b
}

// A large job whose resources take forever delays neither a job of another host nor one of the same
// host by more than the timeout of a download.
func TestSlowJobsLeavePlacesForOthers(t *testing.T) {
	t.Parallel()
	srv, slow, remote := iggytest.NewServer(t), startSlowServer(t), startFileServer(t)
	env := append(environment(srv), "FETCHBOX__DOWNLOAD__TIMEOUT=3s", "FETCHBOX__CONSUMERS__TASKS__DRAIN_TIMEOUT=1s")
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: env})
	large := box.submit(t, manifestOf(160, slow.URL+"/drip"))
	began := time.Now()
	require.Eventually(t, func() bool { return box.state(t, large).Status == store.InProgress }, waitTimeout, 10*time.Millisecond)
	sameHost := box.submit(t, manifestOf(3, slow.URL+"/quick"))
	otherHost := box.submit(t, remote.manifest(3, 0))
	require.Equal(t, store.Completed, box.waitFinished(t, otherHost).Status)
	require.Equal(t, store.Completed, box.waitFinished(t, sameHost).Status)
	require.Less(t, time.Since(began), 10*time.Second)
	require.Equal(t, store.InProgress, box.state(t, large).Status)
}

// A host that asks for time by Retry-After gets it from all tasks. They fail no attempt meanwhile, are
// parked, and other hosts go on.
func TestHostThatAsksForTimeIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			srv := iggytest.NewServer(t)
			testHostThatAsksForTime(t, environment(srv), status)
			require.NotEmpty(t, srv.Messages("fetchbox", "jobs.tasks.workers.parked"))
		})
	}
}

func testHostThatAsksForTime(t *testing.T, env []string, status int) {
	t.Helper()
	remote := startFileServer(t)
	var mu sync.Mutex
	var first time.Time
	early := 0
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) < 5*time.Second {
			early++
			w.Header().Set("Retry-After", first.Add(6*time.Second).UTC().Format(http.TimeFormat))
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(busy.Close)
	env = append(env, "FETCHBOX__CONSUMERS__TASKS__PARK_AFTER=1s", "FETCHBOX__CONSUMERS__TASKS__RETRY__MAX_DELIVERIES=2")
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: env})
	waiting := box.submit(t, manifestOf(100, busy.URL+"/"))
	require.Equal(t, store.Completed, box.waitFinished(t, box.submit(t, remote.manifest(20, 0))).Status)
	require.Contains(t, []string{store.Queued, store.InProgress}, box.state(t, waiting).Status, "other hosts go on")
	require.Equal(t, store.Completed, box.waitFinished(t, waiting).Status, "with two attempts each")
	mu.Lock()
	defer mu.Unlock()
	require.LessOrEqual(t, early, 16, "those that had begun")
}
