package config

import (
	"time"
)

// The upper limits of numbers: more than anyone needs, and less than exhausts a machine or
// overflows in a sum. With them, a typing error (a size without its unit, a number of bytes in
// place of messages) is reported at start.
const (
	// maxConnections is for one producer. Partitions share its connections.
	maxConnections = 256
	// maxBatchMessages, maxCommitEvery and maxInFlight are for counts of messages of one partition,
	// maxMessages for a whole component. Each message takes some hundred bytes of bookkeeping.
	maxBatchMessages = 1_000_000
	maxCommitEvery   = 1_000_000
	maxInFlight      = 1_000_000
	maxMessages      = 100_000_000
	// maxConcurrency is for the goroutines of one consumer's handlers.
	maxConcurrency = 100_000
	// maxDedupWindow is for each partition. An id takes some 50 bytes.
	maxDedupWindow = 1_000_000
	// maxBuffer is for the memory of one component.
	maxBuffer Bytes = 64 << 30
	// maxDecompressed is for the memory of one message.
	maxDecompressed Bytes = 1 << 30
	// maxFailures is for the breaker, which keeps a bit for each failure.
	maxFailures = 1_000_000
	// maxDuration is small enough to add durations to each other and to any time.
	maxDuration = 365 * 24 * time.Hour
)
