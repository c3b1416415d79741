package docs_test

import (
	"context"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// libraryMetric matches the Prometheus name of a metric of the library.
var libraryMetric = regexp.MustCompile(`\biggy_client_[a-z_]*[a-z]\b`)

// With the default settings of OpenTelemetry's exporter, Prometheus reads the names that the pages,
// the dashboard, the alerts and the manifests use.
func TestMetricNamesAreThoseOfTheDefaultExporter(t *testing.T) {
	t.Parallel()
	served := servedMetrics(t)

	var listed []string
	for line := range strings.Lines(page(t, "metrics.md")) {
		if strings.HasPrefix(line, "| `iggy_client_") && !strings.Contains(line, "…") {
			listed = append(listed, libraryMetric.FindAllString(strings.Split(line, "|")[1], -1)...)
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(served)), listed, "the tables of metrics.md")

	var files []string
	for _, pattern := range []string{"*.md", "../*.md", "../dashboards/*.json", "../dashboards/*.yaml", "../deploy/*.yaml", "../deploy/kubernetes/*.yaml"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		files = append(files, found...)
	}
	series := regexp.MustCompile(`_(bucket|count|sum)$`)
	for _, file := range files {
		for _, name := range libraryMetric.FindAllString(page(t, file), -1) {
			require.True(t, served[name] || served[series.ReplaceAllString(name, "")], "%s uses %s, which is not served", file, name)
		}
	}
	for _, file := range []string{"../dashboards/grafana.json", "../dashboards/alerts.yaml", "../deploy/prometheus-adapter.yaml"} {
		require.Regexp(t, libraryMetric, page(t, file))
	}
}

// servedMetrics returns the names of the library's metrics that a Prometheus registry serves with the
// default exporter.
func servedMetrics(t *testing.T) map[string]bool {
	t.Helper()
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	require.NoError(t, err)
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))

	server := iggytest.NewServer(t)
	cfg := config.Default()
	cfg.Iggy.Endpoint = server.Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	cfg.Iggy.HeartbeatInterval = 50 * time.Millisecond
	orders := topic.New("shop", "orders", topic.JSON[string]())
	server.CreateTopic("shop", "orders", 1)
	server.CreateGroup("shop", "orders", "billing")

	p, err := producer.New(cfg.Iggy, cfg.Producer, producer.WithMeterProvider(meters))
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })
	c, err := consumer.New(cfg.Iggy, config.DefaultConsumer("billing"), orders, consumer.WithMeterProvider(meters))
	require.NoError(t, err)
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, c.Stop(context.Background())) })

	// A retry has a metric of its own.
	server.Inject(iggytest.Cut().On(embedded.SendMessages).Times(1))
	_, err = producer.For(p, orders).Publish(t.Context(), "a book")
	require.NoError(t, err)

	// The histograms are there after the first value: of a handler's call, and of a heartbeat.
	names := map[string]bool{}
	server.WaitFor("metrics of a handled message and of a heartbeat", func() bool {
		families, err := registry.Gather()
		require.NoError(t, err)
		clear(names)
		for _, family := range families {
			if libraryMetric.MatchString(family.GetName()) {
				names[family.GetName()] = true
			}
		}
		return names["iggy_client_consumer_handle_duration_seconds"] && names["iggy_client_link_heartbeat_duration_seconds"]
	})
	return names
}
