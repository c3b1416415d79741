package app

import (
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Role is the part of FetchBox that a process runs.
type Role string

// The roles. Processes of all roles share the data directory and the Iggy server.
const (
	RoleAll    Role = "all"
	RoleAPI    Role = "api"
	RoleWorker Role = "worker"
	RoleLedger Role = "ledger"
)

// includes reports whether a process of role r runs the given role.
func (r Role) includes(role Role) bool { return r == RoleAll || r == role }

// title is what a process of role r is called in a terminal.
func (r Role) title() string {
	if r == RoleAll {
		return "FetchBox"
	}
	return fmt.Sprintf("FetchBox (%s)", r)
}

// serves is what the HTTP server of role r serves.
func (r Role) serves() string {
	if r.includes(RoleAPI) {
		return "The page for operators"
	}
	return "Metrics and health"
}

// Options are the options of the command line.
type Options struct {
	// ConfigFile is the YAML file. When it is empty, FETCHBOX_CONFIG names the file.
	ConfigFile string
	// Data is the data directory, which all roles share.
	Data string
	Role Role
	// Environ replaces the environment of the process when it is not nil.
	Environ []string
	// SpanProcessors get all spans, in addition to the collector that OTEL_EXPORTER_OTLP_ENDPOINT
	// names.
	SpanProcessors []sdktrace.SpanProcessor
}
