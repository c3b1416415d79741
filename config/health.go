package config

import "time"

// Health is what readiness depends on.
type Health struct {
	// Timeout bounds one check.
	Timeout time.Duration `yaml:"timeout"`
	// Interval is how long a check's result is reused.
	Interval time.Duration `yaml:"interval"`
}

// Validate is like Config.Validate, for this section alone.
func (h Health) Validate() error {
	f := newFaults("health")
	h.validate(f)
	return f.err()
}

func (h Health) validate(f faults) {
	positive(f, "timeout", h.Timeout)
	notNegative(f, "interval", h.Interval)
}
