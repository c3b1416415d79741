package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Retention is how long a topic keeps its messages, RetentionDefault or RetentionForever. In YAML
// it is a duration that accepts days, such as 7d or 1d12h, or 0 or -1.
type Retention time.Duration

const (
	// RetentionDefault is the server's default.
	RetentionDefault Retention = 0
	// RetentionForever keeps messages for ever.
	RetentionForever Retention = -1
)

const day = 24 * time.Hour

// ParseRetention parses a retention such as "7d", "1d12h", "90m", "0" or "-1".
func ParseRetention(text string) (Retention, error) {
	text = strings.TrimSpace(text)
	switch text {
	case "0":
		return RetentionDefault, nil
	case "-1":
		return RetentionForever, nil
	}
	fault := errors.New("must be a duration such as 7d or 12h, 0 for the server's default or -1 for ever")
	var total time.Duration
	rest := text
	if number, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || n > uint64(math.MaxInt64/day) {
			return 0, fault
		}
		total, rest = time.Duration(n)*day, after
	}
	if rest != "" || total == 0 && !strings.HasSuffix(text, "d") {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || rest[0] == '+' || total > math.MaxInt64-d {
			return 0, fault
		}
		total += d
	}
	return Retention(total), nil
}

// Duration returns the retention as a duration: 0 for the server's default, -1 for ever.
func (r Retention) Duration() time.Duration { return time.Duration(r) }

// String returns the retention in the form of ParseRetention.
func (r Retention) String() string {
	d := time.Duration(r)
	switch {
	case r == RetentionForever:
		return "-1"
	case r == RetentionDefault:
		return "0"
	case d < 0:
		return d.String()
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return shortDuration(d)
}

// MarshalText returns String.
func (r Retention) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText calls ParseRetention.
func (r *Retention) UnmarshalText(text []byte) error {
	retention, err := ParseRetention(string(text))
	if err == nil {
		*r = retention
	}
	return err
}
