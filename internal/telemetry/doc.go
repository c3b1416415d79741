// Package telemetry is what the metrics and the spans of connections, producers and
// consumers have in common, so that an operator finds the same thing under the same
// name on all sides.
package telemetry
