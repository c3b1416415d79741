package telemetry

import sdkmetric "go.opentelemetry.io/otel/sdk/metric"

// contractNames are the instruments of the library that FetchBox's operators know by a name of
// FetchBox's.
var contractNames = map[string]string{
	"iggy.client.consumer.in_flight":    "fetchbox_worker_tasks_inflight",
	"iggy.client.consumer.dead_letters": "fetchbox_worker_dlq_total",
}

// contractViews returns views that export these metrics under both names.
func contractViews() []sdkmetric.View {
	var views []sdkmetric.View
	for name, contract := range contractNames {
		instrument := sdkmetric.Instrument{Name: name}
		views = append(views,
			sdkmetric.NewView(instrument, sdkmetric.Stream{Name: name}),
			sdkmetric.NewView(instrument, sdkmetric.Stream{Name: contract}),
		)
	}
	return views
}
