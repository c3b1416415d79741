package health

import (
	"encoding/json"
	"time"
)

// Report is the health of a service and its components.
type Report struct {
	// Status is Up when all components are up and the service is not draining.
	Status Status `json:"status"`
	// Draining is true after Drain or Stop.
	Draining bool `json:"draining,omitempty"`
	// Components are the registered components by name.
	Components map[string]Component `json:"components"`
}

// Component is the state of a component at its last check.
type Component struct {
	Status Status `json:"status"`
	// Since is when the status began.
	Since time.Time `json:"since,omitzero"`
	// Checked is when the check ended.
	Checked time.Time `json:"checked,omitzero"`
	// LastError is the last error. It stays when the component is up again.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// Detail is JSON.
	Detail Detail `json:"detail,omitempty"`
}

// Detail is further information about a component, as JSON.
type Detail = json.RawMessage
