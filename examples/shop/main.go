// Command shop is an orders service: it takes orders over HTTP, bills them, and knows what each
// customer has ordered. docs/own-topics.md explains it.
package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
)

// shop is the application. SHOP_CONFIG names its configuration file.
func shop() fx.Option {
	return fx.Options(
		fxiggy.Core,
		fxiggy.Prefix("SHOP"),
		fxiggy.Section("http", HTTPConfig{Addr: "127.0.0.1:8080"}),
		fxiggy.Section("billing", BillingConfig{PerSecond: 100}),

		fxiggy.Publish(Orders),
		// Workers share the orders. What they give up goes to shop/orders.billing.dlq.
		fxiggy.Consume(Orders, "billing", fxiggy.As("billing"), fxiggy.DeadLetters()),
		// Each process reads all orders, from the first one on, and belongs to no group.
		fxiggy.Consume(Orders, "totals", fxiggy.As("totals"),
			fxiggy.With(consumer.WithStandalone(consumer.Standalone{Start: consumer.First()}))),

		fxiggy.Cluster("accounting"),
		fxiggy.Publish(Invoices, fxiggy.On("accounting")),

		fx.Provide(newMetrics, fx.Annotate(newTotals, fx.ParamTags(`name:"totals"`))),
		fx.Invoke(fx.Annotate(startBilling, fx.ParamTags(`name:"billing"`, `name:"accounting"`)), serveHTTP),
	)
}

// newMetrics returns a provider of meters, and the handler that serves its metrics to Prometheus.
func newMetrics() (metric.MeterProvider, http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

func main() {
	fx.New(shop(), fx.Provide(zap.NewProduction), fx.WithLogger(fxiggy.Logger)).Run()
}
