package download

import (
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/admission"
)

const (
	// maxTimeout is less than the age from which the store removes temporary files.
	maxTimeout = 12 * time.Hour
	// maxMaxBytes bounds Config.MaxBytes.
	maxMaxBytes config.Bytes = 1 << 40
	// maxDownloads bounds the numbers of downloads.
	maxDownloads = 100_000
	// maxMaxRetryAfter bounds Config.MaxRetryAfter: no message is parked for longer.
	maxMaxRetryAfter = 24 * time.Hour
)

// Config is the configuration section download: the limits of a download.
type Config struct {
	// Timeout bounds one attempt, from the connection to the last byte. It is at most 12 hours.
	Timeout time.Duration `yaml:"timeout"`
	// MaxBytes bounds the size of a resource. It is at most 1TiB.
	MaxBytes config.Bytes `yaml:"max_bytes"`
	// MaxPerHost and MaxPerJob are the downloads of a worker at the same time from one host and of
	// one job: with less than consumers.tasks.max_in_flight, others go on.
	MaxPerHost int `yaml:"max_per_host"`
	MaxPerJob  int `yaml:"max_per_job"`
	// HostRate is the downloads that a worker begins in a second from one host. 0 means no limit.
	HostRate int `yaml:"host_rate"`
	// MaxRetryAfter bounds the time that a host may ask for by Retry-After. It is at most 24 hours.
	MaxRetryAfter time.Duration `yaml:"max_retry_after"`
}

// Default returns the default limits: 30 seconds and 100 MiB for a resource, and an hour for
// Retry-After. One host has half of a worker's places, and one job less than one host, so that other
// jobs with the same host go on, too.
func Default() Config {
	return Config{
		Timeout: 30 * time.Second, MaxBytes: 100 << 20,
		MaxPerHost: 16, MaxPerJob: 12, MaxRetryAfter: time.Hour,
	}
}

// Validate returns all errors at once.
func (c Config) Validate() error {
	return errors.Join(
		within("timeout", c.Timeout, time.Millisecond, maxTimeout),
		within("max_bytes", c.MaxBytes, 1, maxMaxBytes),
		within("max_per_host", c.MaxPerHost, 1, maxDownloads),
		within("max_per_job", c.MaxPerJob, 1, maxDownloads),
		within("host_rate", c.HostRate, 0, maxDownloads),
		within("max_retry_after", c.MaxRetryAfter, time.Second, maxMaxRetryAfter),
	)
}

// Admission returns the limits of the downloads at the same time.
func (c Config) Admission() admission.Limits {
	return admission.Limits{PerHost: c.MaxPerHost, PerJob: c.MaxPerJob, HostRate: c.HostRate}
}

// within returns an error that names the key when its value is out of bounds.
func within[T time.Duration | config.Bytes | int](key string, value, least, most T) error {
	if value >= least && value <= most {
		return nil
	}
	return &config.KeyError{Key: key, Err: fmt.Errorf("must be %v to %v", least, most)}
}
