package config

import "time"

// Health is what readiness depends on.
type Health struct {
	// Timeout bounds one check.
	Timeout time.Duration `yaml:"timeout"`
	// Interval is how long a check's result is reused.
	Interval time.Duration `yaml:"interval"`
}
