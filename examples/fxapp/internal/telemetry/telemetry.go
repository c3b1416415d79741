// Package telemetry is the example's metrics and traces: OpenTelemetry, read by
// Prometheus and sent to whatever OTEL_EXPORTER_OTLP_ENDPOINT names.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Telemetry makes meters and tracers. Nothing of it is global.
type Telemetry struct {
	registry *prometheus.Registry
	meters   *sdkmetric.MeterProvider
	tracers  *sdktrace.TracerProvider
}

// New makes a Telemetry for a service of the given name. Spans go to the given
// processors and, when OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, to
// that collector over HTTP.
func New(ctx context.Context, service string, processors ...sdktrace.SpanProcessor) (*Telemetry, error) {
	t := &Telemetry{registry: prometheus.NewRegistry()}
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	about := resource.NewSchemaless(attribute.String("service.name", service))
	reader, err := otelprometheus.New(
		otelprometheus.WithRegisterer(t.registry),
		// The names are those that operators know; they have their units and suffixes already.
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithoutSuffixes),
		otelprometheus.WithoutScopeInfo(),
	)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(about))

	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(about)}
	for _, p := range processors {
		options = append(options, sdktrace.WithSpanProcessor(p))
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("traces: %w", err), t.meters.Shutdown(ctx))
		}
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	t.tracers = sdktrace.NewTracerProvider(options...)
	return t, nil
}

// Meters is where metrics come from.
func (t *Telemetry) Meters() metric.MeterProvider { return t.meters }

// Tracers is where spans come from.
func (t *Telemetry) Tracers() trace.TracerProvider { return t.tracers }

// Metrics shows the metrics in Prometheus' form.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Stop sends what is left.
func (t *Telemetry) Stop(ctx context.Context) error {
	return errors.Join(t.tracers.Shutdown(ctx), t.meters.Shutdown(ctx))
}
