package config

import "time"

// Consumer is how the records of one topic are consumed.
type Consumer struct {
	// Group is the consumer group; members of one group share the partitions.
	Group string `yaml:"group"`
	// BatchSize is the largest number of records asked for in one poll.
	BatchSize int `yaml:"batch_size"`
	// MaxInFlight bounds the records that are with the application, or on the way to
	// it: delivered and not yet acknowledged.
	MaxInFlight int `yaml:"max_in_flight"`
	// MaxBufferedBytes bounds the payload bytes that are read ahead.
	MaxBufferedBytes Bytes `yaml:"max_buffered_bytes"`
	// Concurrency is how many handlers run at a time; 0 means MaxInFlight.
	Concurrency int `yaml:"concurrency"`
	// AckMode is who acknowledges, and when.
	AckMode AckMode `yaml:"ack_mode"`
	// CommitInterval is how often acknowledged offsets are committed; 0 commits at once.
	CommitInterval time.Duration `yaml:"commit_interval"`
	// CommitEvery is how many acknowledged records make a commit before the interval ends.
	CommitEvery int `yaml:"commit_every"`
	// HandlerTimeout bounds one call of the handler; 0 means no bound.
	HandlerTimeout time.Duration `yaml:"handler_timeout"`
	// Retry is how a record whose handler failed is delivered again.
	Retry Redelivery `yaml:"retry"`
	// PollIntervalMin is the pause after the first empty poll, doubled up to
	// PollIntervalMax while nothing comes.
	PollIntervalMin time.Duration `yaml:"poll_interval_min"`
	// PollIntervalMax is the longest pause between polls while nothing comes.
	PollIntervalMax time.Duration `yaml:"poll_interval_max"`
	// StartFrom is where a partition begins for which the group has stored nothing.
	StartFrom StartFrom `yaml:"start_from"`
	// ProbeInterval is how often the owned partitions are learned again.
	ProbeInterval time.Duration `yaml:"probe_interval"`
	// RebalanceTimeout bounds finishing and committing a partition that is
	// about to be taken. It must be below the server's 30 s.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	// Balance turns on fair shares: members even out what the server leaves uneven.
	Balance bool `yaml:"balance"`
	// BalanceAfter is how long shares must differ by two before they are evened.
	BalanceAfter time.Duration `yaml:"balance_after"`
	// BalanceGrace is how long the others are waited for.
	BalanceGrace time.Duration `yaml:"balance_grace"`
	// OnGap is what happens when offsets jump beyond what was expected.
	OnGap OnGap `yaml:"on_gap"`
	// OnRewind is what happens when the log is shorter than the position, or
	// an operator moved the stored offset.
	OnRewind OnRewind `yaml:"on_rewind"`
	// DedupWindow is how many record ids are remembered per partition to drop duplicates; 0 turns it off.
	DedupWindow int `yaml:"dedup_window"`
	// MaxDecompressedBytes bounds what a compressed payload may grow to.
	MaxDecompressedBytes Bytes `yaml:"max_decompressed_bytes"`
	// DrainTimeout bounds finishing the work in flight at stop.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
	// MaxLag makes the consumer unready when more records than this wait; 0 means no limit.
	MaxLag uint64 `yaml:"max_lag"`
	// MaxAge makes the consumer unready when its oldest record has been in
	// flight for longer; 0 means no limit.
	MaxAge time.Duration `yaml:"max_age"`
}

// AckMode is who acknowledges a record, and when.
type AckMode string

// The modes of acknowledgement.
const (
	// AckAuto acknowledges when the handler has returned nil.
	AckAuto AckMode = "auto"
	// AckManual leaves it to Ack and Nack.
	AckManual AckMode = "manual"
	// AckOnPoll acknowledges before the handler runs: at most once.
	AckOnPoll AckMode = "on_poll"
)

// Redelivery is how a record whose handler failed is delivered again.
type Redelivery struct {
	// MaxDeliveries is how often a record is given to the handler before it is given up; -1 means without end.
	MaxDeliveries int `yaml:"max_deliveries"`
	Backoff       `yaml:",inline"`
}

// StartFrom is where a partition without a stored offset begins.
type StartFrom string

// Where a partition may begin.
const (
	StartFirst StartFrom = "first"
	StartLast  StartFrom = "last"
	StartNext  StartFrom = "next"
)

// OnGap is what happens at a gap in the offsets.
type OnGap string

// What may happen at a gap.
const (
	// GapContinue logs, counts and goes on.
	GapContinue OnGap = "continue"
	// GapStop stops the partition and makes the consumer unhealthy.
	GapStop OnGap = "stop"
)

// OnRewind is what happens when the log or the stored offset moved back.
type OnRewind string

// What may happen at a rewind.
const (
	// RewindFollow goes back to the stored offset, or to the end of the shorter log.
	RewindFollow OnRewind = "follow"
	// RewindLatest goes on at the end of the log.
	RewindLatest OnRewind = "latest"
	// RewindStop stops the partition and makes the consumer unhealthy.
	RewindStop OnRewind = "stop"
)
