package telemetry

import "go.opentelemetry.io/otel/metric"

// The boundaries of histograms, in seconds. OpenTelemetry's own are made for
// milliseconds: with them, whatever takes less than five seconds is in one bucket.
var (
	// requests reach from an answer over loopback, which takes less than a tenth of a
	// millisecond, to the longest time-outs of a request.
	requests = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	// work reaches from a handler that only counts to one that fetches a large file.
	work = []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
)

// RequestSeconds are the boundaries for what one request, or the few that confirm a message, take.
func RequestSeconds() metric.HistogramOption { return metric.WithExplicitBucketBoundaries(requests...) }

// WorkSeconds are the boundaries for what a call of the application takes.
func WorkSeconds() metric.HistogramOption { return metric.WithExplicitBucketBoundaries(work...) }
