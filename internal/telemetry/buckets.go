package telemetry

import "go.opentelemetry.io/otel/metric"

// The boundaries of histograms, in seconds. OpenTelemetry's defaults are made for milliseconds:
// with them, everything below five seconds is in one bucket.
var (
	// requestBuckets range from an answer over loopback, less than a tenth of a millisecond, to the
	// longest request timeouts.
	requestBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	// handlerBuckets range from a handler that only counts to one that fetches a large file.
	handlerBuckets = []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
)

// RequestBuckets returns the boundaries for the duration of one request, or of the few requests
// that confirm a message.
func RequestBuckets() metric.HistogramOption {
	return metric.WithExplicitBucketBoundaries(requestBuckets...)
}

// HandlerBuckets returns the boundaries for the duration of a call of the application.
func HandlerBuckets() metric.HistogramOption {
	return metric.WithExplicitBucketBoundaries(handlerBuckets...)
}
