package config

import "time"

// Backoff is an exponential backoff: the delay starts at BaseBackoff, doubles with each attempt up
// to MaxBackoff, and varies by ±Jitter of itself.
type Backoff struct {
	// BaseBackoff is the delay before the second attempt.
	BaseBackoff time.Duration `yaml:"base_backoff"`
	// MaxBackoff is the longest delay.
	MaxBackoff time.Duration `yaml:"max_backoff"`
	// Jitter is the part of a delay by which it varies, 0 to 1.
	Jitter float64 `yaml:"jitter"`
}

// Breaker is a circuit breaker: after Failures failures in a row it is open for Delay and refuses
// requests, then it lets one request through.
type Breaker struct {
	// Failures is the number of failures in a row that open the breaker, at most 1000000.
	Failures int `yaml:"failures"`
	// Delay is how long the breaker stays open.
	Delay time.Duration `yaml:"delay"`
}

// Retry is the number of retries and their backoff.
type Retry struct {
	// MaxRetries is the number of attempts after the first; 0 means none, and -1 means that only
	// DeliveryTimeout limits them.
	MaxRetries int `yaml:"max_retries"`
	Backoff    `yaml:",inline"`
}

func (b Backoff) validate(f faults) {
	positive(f, "base_backoff", b.BaseBackoff)
	f.require(b.MaxBackoff >= b.BaseBackoff, "max_backoff", "must not be less than base_backoff (%v)", b.BaseBackoff)
	notLonger(f, "max_backoff", b.MaxBackoff)
	f.require(b.Jitter >= 0 && b.Jitter <= 1, "jitter", "must be 0 to 1")
}

func (b Breaker) validate(f faults) {
	between(f, "failures", b.Failures, 1, maxFailures)
	positive(f, "delay", b.Delay)
}

func (r Retry) validate(f faults) {
	f.require(r.MaxRetries >= -1, "max_retries", "must be 0 or more, or -1 for no limit")
	r.Backoff.validate(f)
}
