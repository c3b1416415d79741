package download

import (
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
)

const (
	// maxTimeout is less than the age from which the store removes temporary files.
	maxTimeout = 12 * time.Hour
	// maxMaxBytes bounds Config.MaxBytes.
	maxMaxBytes config.Bytes = 1 << 40
)

// Config is the configuration section download: the limits of a download.
type Config struct {
	// Timeout bounds one attempt, from the connection to the last byte. It is at most 12 hours.
	Timeout time.Duration `yaml:"timeout"`
	// MaxBytes bounds the size of a resource. It is at most 1TiB.
	MaxBytes config.Bytes `yaml:"max_bytes"`
}

// Default returns the default limits: 30 seconds and 100 MiB for a resource.
func Default() Config { return Config{Timeout: 30 * time.Second, MaxBytes: 100 << 20} }

// Validate returns all errors at once.
func (c Config) Validate() error {
	return errors.Join(
		within("timeout", c.Timeout, time.Millisecond, maxTimeout),
		within("max_bytes", c.MaxBytes, 1, maxMaxBytes),
	)
}

// within returns an error that names the key when its value is out of bounds.
func within[T time.Duration | config.Bytes | int](key string, value, least, most T) error {
	if value >= least && value <= most {
		return nil
	}
	return &config.KeyError{Key: key, Err: fmt.Errorf("must be %v to %v", least, most)}
}
