package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
)

// One trace spans the request that submits a job, the worker, and the status that the ledger
// stores.
func TestJobHasOneTrace(t *testing.T) {
	t.Parallel()
	spans, remote := tracetest.NewInMemoryExporter(), startFileServer(t)
	box, stop := run(t, app.Options{
		Data: t.TempDir(), Environ: environment(nil),
		SpanProcessors: []sdktrace.SpanProcessor{sdktrace.NewSimpleSpanProcessor(spans)},
	})
	id := box.submit(t, remote.manifest(2, 1))
	box.waitFinished(t, id)
	var ended tracetest.SpanStubs
	require.Eventually(t, func() bool {
		ended = spans.GetSpans()
		// The span of a handler ends after the spans of its publications.
		return countSpans(ended, "download") == 3 &&
			countSpans(ended, "process fetchbox/jobs.tasks") == 3 &&
			countSpans(ended, "dead letter") == 1 && countSpans(ended, "store state") >= 2 &&
			countSpans(ended, "POST /jobs") == 1
	}, waitTimeout, 10*time.Millisecond)

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
	require.Equal(t, 1, trace["dead letter"])
	require.Equal(t, 1, trace["send fetchbox/jobs.tasks"])
	require.Equal(t, 1, trace["send fetchbox/jobs.dlq"])
	require.Positive(t, trace["send fetchbox/jobs.status"])
	require.Positive(t, trace["send fetchbox/jobs.logs"])
	require.Positive(t, trace["store state"])

	// The consumers' spans are in traces of their own. Each is linked to the span that sent its
	// message.
	sent := map[oteltrace.SpanID]string{}
	for _, s := range ended {
		if s.SpanKind == oteltrace.SpanKindProducer {
			sent[s.SpanContext.SpanID()] = strings.TrimPrefix(s.Name, "send ")
		}
	}
	processed := map[string]int{}
	for _, s := range ended {
		topic, ok := strings.CutPrefix(s.Name, "process ")
		if !ok {
			continue
		}
		require.NotEqual(t, root.SpanContext.TraceID(), s.SpanContext.TraceID())
		require.Len(t, s.Links, 1)
		require.Equal(t, root.SpanContext.TraceID(), s.Links[0].SpanContext.TraceID())
		require.Equal(t, topic, sent[s.Links[0].SpanContext.SpanID()])
		processed[topic]++
	}
	require.Equal(t, 3, processed["fetchbox/jobs.tasks"])
	require.Positive(t, processed["fetchbox/jobs.status"])
	stop()
}

func countSpans(spans tracetest.SpanStubs, name string) (n int) {
	for _, s := range spans {
		if s.Name == name {
			n++
		}
	}
	return n
}
