package download

import (
	"errors"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Config holds the limits of a download.
type Config struct {
	// Timeout bounds one attempt, from the connection to the last byte.
	Timeout time.Duration `yaml:"timeout"`
	// MaxBytes bounds the size of a resource.
	MaxBytes int64 `yaml:"max_bytes"`
}

// Default returns the default limits: 30 seconds and 100 MiB for a resource.
func Default() Config { return Config{Timeout: 30 * time.Second, MaxBytes: 100 << 20} }

// Validate returns all errors at once.
func (c Config) Validate() error {
	var errs []error
	if c.Timeout <= 0 {
		errs = append(errs, &config.KeyError{Key: "timeout", Err: errors.New("must be more than 0")})
	}
	if c.MaxBytes <= 0 {
		errs = append(errs, &config.KeyError{Key: "max_bytes", Err: errors.New("must be more than 0")})
	}
	return errors.Join(errs...)
}
