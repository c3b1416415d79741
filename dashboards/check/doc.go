// Package check checks the alert rules and the dashboard in dashboards with Prometheus' own packages.
// It is a module of its own, so that the library does not require Prometheus.
package check
