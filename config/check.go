package config

import (
	"cmp"
	"slices"
	"time"
	"unicode/utf8"
)

// positive checks that a duration is more than 0 and at most maxDuration.
func positive(f faults, key string, d time.Duration) {
	f.require(d > 0, key, "must be more than 0")
	notLonger(f, key, d)
}

// notNegative checks that a duration is 0 to maxDuration.
func notNegative(f faults, key string, d time.Duration) {
	f.require(d >= 0, key, "must be 0 or more")
	notLonger(f, key, d)
}

// notLonger checks that a duration is at most maxDuration.
func notLonger(f faults, key string, d time.Duration) {
	f.require(d <= maxDuration, key, "must be at most %s", shortDuration(maxDuration))
}

// between checks that a count or a size is least to most.
func between[T cmp.Ordered](f faults, key string, value, least, most T) {
	f.require(value >= least, key, "must be %v or more", least)
	f.require(value <= most, key, "must be at most %v", most)
}

// oneOf checks that a value is one of the allowed ones.
func oneOf[T ~string](f faults, key string, value T, allowed ...T) {
	f.require(slices.Contains(allowed, value), key, "must be one of %v", allowed)
}

// maxName is the largest size of a name in bytes: the protocol encodes the length in one byte.
const maxName = 255

// name checks a name that the server stores.
func name(f faults, key, value string) {
	f.require(len(value) >= 1 && len(value) <= maxName, key, "must have 1 to %d bytes", maxName)
	f.require(utf8.ValidString(value), key, "must be valid UTF-8")
}

// atMostMaxName checks a text that is sent to the server as a name.
func atMostMaxName(f faults, key, value string) {
	f.require(len(value) <= maxName, key, "must have at most %d bytes", maxName)
}
