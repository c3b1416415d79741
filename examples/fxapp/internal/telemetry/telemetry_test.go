package telemetry_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector receives OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	services map[string]string // the service by the kind of telemetry
	names    map[string]bool   // of spans and metrics
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{services: map[string]string{}, names: map[string]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		in := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(in)
			if err != nil {
				t.Error(err)
				return
			}
			in = z
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Error(err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch r.URL.Path {
		case "/v1/traces":
			var request collectortrace.ExportTraceServiceRequest
			if err := proto.Unmarshal(body, &request); err != nil {
				t.Error(err)
			}
			for _, resource := range request.GetResourceSpans() {
				for _, a := range resource.GetResource().GetAttributes() {
					c.services["traces "+a.GetKey()] = a.GetValue().GetStringValue()
				}
				for _, scope := range resource.GetScopeSpans() {
					for _, span := range scope.GetSpans() {
						c.names[span.GetName()] = true
					}
				}
			}
		case "/v1/metrics":
			var request collectormetrics.ExportMetricsServiceRequest
			if err := proto.Unmarshal(body, &request); err != nil {
				t.Error(err)
			}
			for _, resource := range request.GetResourceMetrics() {
				for _, a := range resource.GetResource().GetAttributes() {
					c.services["metrics "+a.GetKey()] = a.GetValue().GetStringValue()
				}
				for _, scope := range resource.GetScopeMetrics() {
					for _, m := range scope.GetMetrics() {
						c.names[m.GetName()] = true
					}
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// use makes a span and a metric, and returns what Prometheus gets.
func use(t *testing.T, processors ...sdktrace.SpanProcessor) string {
	t.Helper()
	tel, err := telemetry.New(t.Context(), "fetchbox-test", processors...)
	require.NoError(t, err)
	_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "a span")
	span.End()
	counter, err := tel.MeterProvider().Meter("test").Int64Counter("a_counter")
	require.NoError(t, err)
	counter.Add(t.Context(), 1)
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	require.NoError(t, tel.Stop(context.WithoutCancel(t.Context())))
	return w.Body.String()
}

func TestStandardVariables(t *testing.T) {
	for _, tt := range []struct {
		name            string
		env             map[string]string // with COLLECTOR for the URL of the collector
		traces, metrics bool              // exported
		service         string
		scraped         bool
	}{
		{"nothing", nil, false, false, "", true},
		{"a collector", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR"}, true, true, "fetchbox-test", true},
		{"a name", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_SERVICE_NAME": "shelf"}, true, true, "shelf", true},
		{"attributes", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_RESOURCE_ATTRIBUTES": "service.name=box,zone=1"}, true, true, "box", true},
		{"a collector of spans", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "COLLECTOR/v1/traces"}, true, false, "fetchbox-test", true},
		{"a collector of metrics", map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "COLLECTOR/v1/metrics"}, false, true, "fetchbox-test", true},
		{"no exporters", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, false, false, "", true},
		{"Prometheus only", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_METRICS_EXPORTER": "prometheus"}, true, false, "fetchbox-test", true},
		{"no sampling", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_TRACES_SAMPLER": "always_off"}, false, true, "fetchbox-test", true},
		{"disabled", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_SDK_DISABLED": "True"}, false, false, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := startCollector(t)
			for name, value := range tt.env {
				t.Setenv(name, strings.ReplaceAll(value, "COLLECTOR", c.URL))
			}
			scraped := use(t)
			require.Equal(t, tt.traces, c.names["a span"])
			require.Equal(t, tt.metrics, c.names["a_counter"])
			for kind, exported := range map[string]bool{"traces": tt.traces, "metrics": tt.metrics} {
				if exported {
					require.Equal(t, tt.service, c.services[kind+" service.name"])
				}
			}
			require.Equal(t, tt.scraped, strings.Contains(scraped, "\na_counter_total{"))
			require.Contains(t, scraped, "\ngo_goroutines ")
		})
	}
}

func TestUnknownExporterIsAnError(t *testing.T) {
	for _, variable := range []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "carrier-pigeon")
			_, err := telemetry.New(t.Context(), "fetchbox-test")
			require.ErrorContains(t, err, variable)
			require.ErrorContains(t, err, "carrier-pigeon")
		})
	}
}

func TestProcessorsGetSpans(t *testing.T) {
	seen := tracetest.NewSpanRecorder()
	use(t, seen)
	require.Len(t, seen.Ended(), 1)
}

// What a client sends as method and path does not make long spans, or many kinds of them.
func TestRequestSpansAreBounded(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	handler := telemetry.TraceRequests(tracers.Tracer("test"), http.NotFoundHandler())
	for _, method := range []string{strings.Repeat("X", 10_000), http.MethodGet} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/"+strings.Repeat("p", 10_000), http.NoBody))
	}
	ended := spans.GetSpans()
	require.Len(t, ended, 2)
	require.Equal(t, "_OTHER", ended[0].Name)
	require.Equal(t, http.MethodGet, ended[1].Name)
	for _, span := range ended {
		for _, a := range span.Attributes {
			require.LessOrEqual(t, len(a.Value.AsString()), 256, a.Key)
		}
	}
}
