// Package telemetry provides the example's OpenTelemetry metrics and traces. Prometheus scrapes the
// metrics. The standard variables of OpenTelemetry choose other exporters: see New.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
)

// Telemetry holds the providers of meters and tracers. It registers nothing globally.
type Telemetry struct {
	registry *prometheus.Registry
	meters   metric.MeterProvider
	tracers  trace.TracerProvider
	shutdown []func(context.Context) error
}

// New returns a Telemetry for the named service. Prometheus gets all metrics, the given processors get
// all spans. In addition, these standard variables apply:
//
//   - OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES describe the service;
//   - OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER are otlp, console or none. Without them it is
//     otlp when OTEL_EXPORTER_OTLP_ENDPOINT, or the variable of the signal, names a collector, and
//     otherwise none. prometheus, for metrics, adds nothing;
//   - OTEL_EXPORTER_OTLP_… and others configure the exporters, and OTEL_TRACES_SAMPLER the sampler;
//   - OTEL_SDK_DISABLED=true turns metrics and spans off, except the metrics of the Go runtime and of
//     the process.
func New(
	ctx context.Context, service string, processors ...sdktrace.SpanProcessor,
) (*Telemetry, error) {
	t := &Telemetry{
		registry: prometheus.NewRegistry(),
		meters:   noopmetric.NewMeterProvider(), tracers: nooptrace.NewTracerProvider(),
	}
	t.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if isDisabled() {
		return t, nil
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", service)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if err := errors.Join(t.startMetrics(ctx, res), t.startTraces(ctx, res, processors)); err != nil {
		return nil, errors.Join(err, t.Stop(ctx))
	}
	return t, nil
}

func (t *Telemetry) startMetrics(ctx context.Context, res *resource.Resource) error {
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(t.registry))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	options := []sdkmetric.Option{
		sdkmetric.WithReader(reader), sdkmetric.WithResource(res), sdkmetric.WithView(contractViews()...),
	}
	if metricsSignal.isExported() {
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return metricsSignal.failure(err)
		}
		options = append(options, sdkmetric.WithReader(reader))
	}
	meters := sdkmetric.NewMeterProvider(options...)
	t.meters, t.shutdown = meters, append(t.shutdown, meters.Shutdown)
	return nil
}

func (t *Telemetry) startTraces(
	ctx context.Context, res *resource.Resource, processors []sdktrace.SpanProcessor,
) error {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	for _, p := range processors {
		options = append(options, sdktrace.WithSpanProcessor(p))
	}
	if tracesSignal.isExported() {
		exporter, err := autoexport.NewSpanExporter(ctx)
		if err != nil {
			return tracesSignal.failure(err)
		}
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	tracers := sdktrace.NewTracerProvider(options...)
	t.tracers, t.shutdown = tracers, append(t.shutdown, tracers.Shutdown)
	return nil
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
	var errs []error
	for _, shutdown := range t.shutdown {
		errs = append(errs, shutdown(ctx))
	}
	return errors.Join(errs...)
}
