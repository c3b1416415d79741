// Package telemetry provides the example's OpenTelemetry metrics and traces. Prometheus scrapes the
// metrics; the spans go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.
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

// Telemetry holds the providers of meters and tracers. It registers nothing globally.
type Telemetry struct {
	registry *prometheus.Registry
	meters   *sdkmetric.MeterProvider
	tracers  *sdktrace.TracerProvider
}

// New returns a Telemetry for the named service. Spans go to the given processors and, when
// OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, to that collector over
// HTTP.
func New(
	ctx context.Context, service string, processors ...sdktrace.SpanProcessor,
) (*Telemetry, error) {
	t := &Telemetry{registry: prometheus.NewRegistry()}
	t.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	res := resource.NewSchemaless(attribute.String("service.name", service))
	reader, err := otelprometheus.New(
		otelprometheus.WithRegisterer(t.registry),
		// The metric names already have their units and suffixes.
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithoutSuffixes),
		otelprometheus.WithoutScopeInfo(),
	)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	t.meters = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(reader), sdkmetric.WithResource(res), sdkmetric.WithView(contractViews()...),
	)

	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	for _, p := range processors {
		options = append(options, sdktrace.WithSpanProcessor(p))
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" ||
		os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("traces: %w", err), t.meters.Shutdown(ctx))
		}
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	t.tracers = sdktrace.NewTracerProvider(options...)
	return t, nil
}

// MeterProvider returns the provider of meters.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.meters }

// TracerProvider returns the provider of tracers.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.tracers }

// MetricsHandler serves the metrics in the Prometheus exposition format.
func (t *Telemetry) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Stop exports the remaining spans and metrics and shuts both providers down.
func (t *Telemetry) Stop(ctx context.Context) error {
	return errors.Join(t.tracers.Shutdown(ctx), t.meters.Shutdown(ctx))
}
