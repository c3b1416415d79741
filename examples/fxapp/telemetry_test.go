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
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
)

// One trace leads from the request that submitted a job through the worker to
// the status that the ledger keeps.
func TestOneTraceForAJob(t *testing.T) {
	t.Parallel()
	spans, remote := tracetest.NewInMemoryExporter(), serveFiles(t)
	box, stop := run(t, app.Options{
		Data: t.TempDir(), Environ: environ(nil), Spans: []sdktrace.SpanProcessor{sdktrace.NewSimpleSpanProcessor(spans)},
	})
	id := box.submit(t, remote.manifest(2, 1))
	box.finished(t, id)
	var ended tracetest.SpanStubs
	require.Eventually(t, func() bool {
		ended = spans.GetSpans()
		// The spans of handlers end after what is published in them.
		return count(ended, "download") == 3 && count(ended, "give up") == 1 && count(ended, "keep state") >= 2 && count(ended, "POST /jobs") == 1
	}, within, 10*time.Millisecond)

	var root tracetest.SpanStub
	for _, s := range ended {
		if s.Name == "POST /jobs" {
			root = s
		}
	}
	require.True(t, root.SpanContext.IsValid())
	trace := map[string]int{}
	for _, s := range ended {
		if s.SpanContext.TraceID() == root.SpanContext.TraceID() {
			trace[s.Name]++
		}
	}
	require.Equal(t, 3, trace["download"])
	require.Equal(t, 1, trace["give up"])
	require.Equal(t, 1, trace["send fetchbox/jobs.tasks"])
	require.Equal(t, 1, trace["send fetchbox/jobs.dlq"])
	require.Positive(t, trace["send fetchbox/jobs.status"])
	require.Positive(t, trace["send fetchbox/jobs.logs"])
	require.Positive(t, trace["keep state"])
	stop()
}

func count(spans tracetest.SpanStubs, name string) (n int) {
	for _, s := range spans {
		if s.Name == name {
			n++
		}
	}
	return n
}

// scrape is what Prometheus would read.
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

func TestMetrics(t *testing.T) {
	t.Parallel()
	remote := serveFiles(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environ(nil)})
	box.finished(t, box.submit(t, remote.manifest(5, 1)))
	metrics := box.scrape(t)
	for _, name := range []string{"fetchbox_worker_tasks_inflight{", "fetchbox_worker_dlq_total{", "fetchbox_worker_download_seconds_count{", "fetchbox_producer_records_total{"} {
		require.Contains(t, metrics, "\n"+name, "the name that operators know")
	}
	var downloads string
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, `fetchbox_worker_download_seconds_count{code=""`) {
			downloads = strings.TrimSpace(line)
		}
	}
	require.True(t, strings.HasSuffix(downloads, " 5"), downloads)
}

// Histograms in seconds can tell milliseconds apart. With OpenTelemetry's own boundaries
// everything below five seconds would be one bucket.
func TestHistogramsOfSecondsHaveBoundariesOfSeconds(t *testing.T) {
	t.Parallel()
	remote := serveFiles(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environ(nil)})
	box.finished(t, box.submit(t, remote.manifest(2, 0)))
	boundary := regexp.MustCompile(`^(fetchbox_\w+_seconds)_bucket{.*\ble="([^"]+)"`)
	fine := map[string]map[float64]bool{}
	for line := range strings.Lines(box.scrape(t)) {
		m := boundary.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		le, err := strconv.ParseFloat(m[2], 64)
		require.NoError(t, err, line)
		require.True(t, le <= 600 || math.IsInf(le, 1), "nothing takes that long: %s", line)
		if fine[m[1]] == nil {
			fine[m[1]] = map[float64]bool{}
		}
		if le > 0 && le <= 1 {
			fine[m[1]][le] = true
		}
	}
	for _, name := range []string{
		"fetchbox_producer_latency_seconds", "fetchbox_producer_request_seconds", "fetchbox_worker_download_seconds",
		"fetchbox_consumer_poll_duration_seconds", "fetchbox_consumer_handle_duration_seconds",
	} {
		require.Contains(t, fine, name)
	}
	for name, boundaries := range fine {
		require.GreaterOrEqual(t, len(boundaries), 7, "%s has too few boundaries below a second", name)
	}
}
