package config

import (
	"cmp"
	"time"
)

// The most that the numbers of a configuration may be: far more than serves anyone, and less than what
// exhausts a machine, or overflows in a sum. A slip of the finger (a size that lost its unit,
// a number of bytes where messages are counted) is thus told at start, and not by the kernel later.
const (
	// maxConnections is that of one producer. Partitions share them, and one is enough for most.
	maxConnections = 256
	// maxBatchMessages and maxCommitEvery bound counts of messages that are kept together, and
	// maxMessages those of a whole component; each costs some hundred bytes of bookkeeping.
	maxBatchMessages = 1_000_000
	maxCommitEvery   = 1_000_000
	maxInFlight      = 1_000_000
	maxMessages      = 100_000_000
	// maxConcurrency bounds the goroutines of one consumer's handlers.
	maxConcurrency = 100_000
	// maxDedupWindow is for each partition; an id costs some 50 bytes.
	maxDedupWindow = 1_000_000
	// maxBuffer bounds the memory of one component.
	maxBuffer Bytes = 64 << 30
	// maxDecompressed bounds the memory of one message.
	maxDecompressed Bytes = 1 << 30
	// maxFailures is the breaker's, which keeps a bit for each.
	maxFailures = 1_000_000
	// maxDuration leaves room to add durations to each other and to any clock.
	maxDuration = 365 * 24 * time.Hour
)

// positive checks a duration that may not be zero.
func positive(f faults, key string, d time.Duration) {
	f.require(d > 0, key, "must be more than 0")
	notLonger(f, key, d)
}

// notNegative checks a duration.
func notNegative(f faults, key string, d time.Duration) {
	f.require(d >= 0, key, "must be 0 or more")
	notLonger(f, key, d)
}

func notLonger(f faults, key string, d time.Duration) {
	f.require(d <= maxDuration, key, "must be at most %s", shortDuration(maxDuration))
}

// between checks a count or a size.
func between[T cmp.Ordered](f faults, key string, value, least, most T) {
	f.require(value >= least, key, "must be %v or more", least)
	f.require(value <= most, key, "must be at most %v", most)
}
