package main

import (
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
)

// scrape returns the metrics as Prometheus reads them.
func (f *fetchbox) scrape(t *testing.T) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/metrics", http.NoBody)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(b)
}

func TestMetricsEndpoint(t *testing.T) {
	t.Parallel()
	remote := startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	box.waitFinished(t, box.submit(t, remote.manifest(5, 1)))
	var metrics, downloads string
	// A worker's report may count a resource before the worker that stored it updates the metric.
	require.Eventually(t, func() bool {
		metrics = box.scrape(t)
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, `fetchbox_worker_download_seconds_count{code=""`) {
				downloads = strings.TrimSpace(line)
			}
		}
		return strings.HasSuffix(downloads, " 5")
	}, waitTimeout, 10*time.Millisecond, "5 downloads are counted")
	for _, name := range []string{
		"fetchbox_worker_tasks_inflight{", "fetchbox_worker_dlq_total{",
		"iggy_client_consumer_in_flight{", "iggy_client_consumer_dead_letters_total{",
		"fetchbox_worker_download_seconds_count{", "iggy_client_producer_messages_total{",
	} {
		require.Contains(t, metrics, "\n"+name, "a documented metric")
	}
}

// Histograms in seconds resolve milliseconds. With OpenTelemetry's default boundaries all values
// below five seconds would be in one bucket.
func TestSecondsHistogramsResolveMilliseconds(t *testing.T) {
	t.Parallel()
	remote := startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	box.waitFinished(t, box.submit(t, remote.manifest(2, 0)))
	boundary := regexp.MustCompile(`^((?:fetchbox|iggy_client)_\w+_seconds)_bucket{.*\ble="([^"]+)"`)
	fine := map[string]map[float64]bool{}
	for line := range strings.Lines(box.scrape(t)) {
		m := boundary.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		le, err := strconv.ParseFloat(m[2], 64)
		require.NoError(t, err, line)
		require.True(t, le <= 600 || math.IsInf(le, 1), "the boundary is too large: %s", line)
		if fine[m[1]] == nil {
			fine[m[1]] = map[float64]bool{}
		}
		if le > 0 && le <= 1 {
			fine[m[1]][le] = true
		}
	}
	for _, name := range []string{
		"iggy_client_producer_latency_seconds", "iggy_client_producer_request_duration_seconds", "fetchbox_worker_download_seconds",
		"iggy_client_consumer_poll_duration_seconds", "iggy_client_consumer_handle_duration_seconds",
	} {
		require.Contains(t, fine, name)
	}
	for name, boundaries := range fine {
		require.GreaterOrEqual(t, len(boundaries), 7, "%s has too few boundaries below a second", name)
	}
}

// No value of a label comes from a job, so that the number of time series does not grow with jobs.
func TestLabelsHaveNoValuesOfJobs(t *testing.T) {
	t.Parallel()
	remote := startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	manifest := strings.NewReplacer(`"metadata":{}`, `"metadata":{"tenant":"a-tenant"}`, `"id":"`, `"id":"a-resource-`).
		Replace(string(remote.manifest(3, 1)))
	id := box.submit(t, []byte(manifest))
	box.waitFinished(t, id)
	require.Equal(t, http.StatusNotFound, box.status(t, http.MethodGet, "/operators/jobs/an-unknown-job"))
	var metrics string
	require.Eventually(t, func() bool {
		metrics = box.scrape(t)
		return strings.Contains(metrics, `fetchbox_worker_download_seconds_count{code="DOWNLOAD_HTTP_4XX"`)
	}, waitTimeout, 10*time.Millisecond)
	for _, value := range []string{id, `"demo"`, "a-tenant", "a-resource", "missing0", "an-unknown-job", strings.TrimPrefix(remote.URL, "http://")} {
		require.NotContains(t, metrics, value)
	}
}
