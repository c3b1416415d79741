package telemetry

import (
	"fmt"
	"os"
	"strings"
)

// signal is a kind of telemetry, with the variables that decide whether it is exported.
type signal struct {
	exporter  string   // the variable that names the exporter
	endpoints []string // the variables that name a collector
	served    string   // the exporter that needs none, since the process serves the signal itself
}

var (
	metricsSignal = signal{
		"OTEL_METRICS_EXPORTER",
		[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"},
		"prometheus",
	}
	tracesSignal = signal{
		"OTEL_TRACES_EXPORTER",
		[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		"",
	}
)

// isExported reports whether the environment asks for an exporter. Without a named collector nothing
// is exported by default: the standard's default, a collector on this machine, is rarely there.
func (s signal) isExported() bool {
	if exporter := os.Getenv(s.exporter); exporter != "" {
		return exporter != "none" && exporter != s.served
	}
	for _, variable := range s.endpoints {
		if os.Getenv(variable) != "" {
			return true
		}
	}
	return false
}

// failure is the error of an exporter that can't be made.
func (s signal) failure(err error) error {
	return fmt.Errorf("%s=%q: %w", s.exporter, os.Getenv(s.exporter), err)
}

func isDisabled() bool { return strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") }
