package config

import "time"

// Health is the configuration of the health checks.
type Health struct {
	// Timeout is the time limit of a check.
	Timeout time.Duration `yaml:"timeout"`
	// Interval is how long the result of a check is reused.
	Interval time.Duration `yaml:"interval"`
}

// Validate is like Config.Validate for this section.
func (h Health) Validate() error {
	f := newFaults("health")
	h.validate(f)
	return f.err()
}

func (h Health) validate(f faults) {
	positive(f, "timeout", h.Timeout)
	notNegative(f, "interval", h.Interval)
}
