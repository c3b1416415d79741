package main

import (
	"io"
	"net/http"
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
	require.Equal(t, 1, trace["publish fetchbox/jobs.tasks"])
	require.Equal(t, 1, trace["publish fetchbox/jobs.dlq"])
	require.Positive(t, trace["publish fetchbox/jobs.status"])
	require.Positive(t, trace["publish fetchbox/jobs.logs"])
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
