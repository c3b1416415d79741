// Package telemetry holds what the metrics and spans of connections, producers and consumers have
// in common, so that the same thing has the same name everywhere.
package telemetry
