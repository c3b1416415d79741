package config

import (
	"cmp"
	"time"
)

// Consumer configures a consumer of one topic.
type Consumer struct {
	// Group is the consumer group. The members of a group share the partitions.
	Group string `yaml:"group"`
	// BatchSize is the maximum number of messages of one poll, at most 100000. A poll asks for fewer if
	// so many of the average size would have more than 2 MiB.
	BatchSize int `yaml:"batch_size"`
	// MaxInFlight bounds the messages in flight: delivered to the application and not settled. It
	// is at most 1000000.
	MaxInFlight int `yaml:"max_in_flight"`
	// MaxBufferedBytes bounds the bytes of the messages that are prefetched or in flight, and
	// separately the bytes of their decompressed payloads. It is at most 64GiB.
	MaxBufferedBytes Bytes `yaml:"max_buffered_bytes"`
	// Concurrency is the number of handlers that run in parallel, at most 100000; 0 means
	// MaxInFlight.
	Concurrency int `yaml:"concurrency"`
	// AckMode defines who acknowledges a message, and when.
	AckMode AckMode `yaml:"ack_mode"`
	// CommitInterval is how often acknowledged offsets are committed; 0 commits at once.
	CommitInterval time.Duration `yaml:"commit_interval"`
	// CommitEvery is the number of acknowledged messages after which a commit does not wait for the
	// interval, at most 1000000.
	CommitEvery int `yaml:"commit_every"`
	// HandlerTimeout is the time limit of a handler call; 0 means no limit.
	HandlerTimeout time.Duration `yaml:"handler_timeout"`
	// Retry configures redelivery after a handler has failed.
	Retry Redelivery `yaml:"retry"`
	// PollIntervalMin is the delay after the first empty poll. Each further empty poll doubles the
	// delay, up to PollIntervalMax.
	PollIntervalMin time.Duration `yaml:"poll_interval_min"`
	// PollIntervalMax is the longest delay between empty polls. When messages come within 5 seconds of
	// each other, the next ones are expected after a similar pause. Around that time, the longest
	// delay is a third of PollIntervalMax.
	PollIntervalMax time.Duration `yaml:"poll_interval_max"`
	// StartFrom is where the group starts in a partition for which it has no stored offset.
	StartFrom StartFrom `yaml:"start_from"`
	// ProbeInterval is how often the member refreshes its assignment.
	ProbeInterval time.Duration `yaml:"probe_interval"`
	// RebalanceTimeout bounds how long this member may drain and commit a partition that the server
	// is about to assign to another member. It must be below the server's 30 s.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	// FairAssignment turns on fair assignment: the members rebalance when their numbers of
	// partitions differ by two or more.
	FairAssignment bool `yaml:"fair_assignment"`
	// RebalanceAfter is how long the numbers of partitions must differ before the members
	// rebalance.
	RebalanceAfter time.Duration `yaml:"rebalance_after"`
	// RebalanceGrace is how long a member waits for the other members during a rebalance.
	RebalanceGrace time.Duration `yaml:"rebalance_grace"`
	// OnGap defines what happens when offsets jump ahead.
	OnGap OnGap `yaml:"on_gap"`
	// OnReset defines what happens when the log is truncated below the position, or an operator has
	// moved the stored offset.
	OnReset OnReset `yaml:"on_reset"`
	// DedupWindow is the number of message ids that are kept for each partition to drop duplicates,
	// at most 1000000; 0 turns deduplication off.
	DedupWindow int `yaml:"dedup_window"`
	// MaxDecompressedBytes bounds the decompressed size of a payload. It is at most 1GiB.
	MaxDecompressedBytes Bytes `yaml:"max_decompressed_bytes"`
	// DrainTimeout bounds how long Stop waits for the messages in flight.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
	// MaxLag is the lag above which the consumer is not ready; 0 means no limit.
	MaxLag uint64 `yaml:"max_lag"`
	// MaxAge is the age of the oldest message in flight above which the consumer is not ready; 0
	// means no limit.
	MaxAge time.Duration `yaml:"max_age"`
	// DeadLetters is the topic of the messages that the consumer gives up, when they are stored by
	// package deadletter. It is in the stream of the consumer's topic.
	DeadLetters GroupTopic `yaml:"dead_letters"`
	// ParkAfter is the longest delay of consumer.RetryAfter and consumer.Postpone for which a message
	// waits in memory, at most 24h. A message with a longer delay is parked in a topic. 0 parks no
	// message. Other values need consumer.WithParking, or fxiggy.Parking.
	ParkAfter time.Duration `yaml:"park_after"`
	// Parked is the topic of parked messages. It is in the stream of the consumer's topic. Its first
	// partition has the delay ParkAfter, and each further partition twice the delay of the one before
	// it, at most 24h.
	Parked GroupTopic `yaml:"parked"`
}

// GroupTopic is a topic that a consumer group writes.
type GroupTopic struct {
	// Name is the topic's name within the stream; empty means TOPIC.GROUP.dlq for dead letters and
	// TOPIC.GROUP.parked for parked messages, with the names of the consumer's topic and group.
	Name string `yaml:"name"`
	// Partitions is the number of partitions with which the topic is created.
	Partitions uint32 `yaml:"partitions"`
	// Retention is how long messages are kept; 0 means the server's default, -1 for ever. It
	// accepts days: 7d.
	Retention Retention `yaml:"retention"`
	// MaxSize is the largest size of the topic, 1GiB or more; 0 means the server's default.
	MaxSize Bytes `yaml:"max_size"`
}

// AckMode defines who acknowledges a message, and when.
type AckMode string

// The modes of acknowledgement.
const (
	// AckAuto acknowledges after the handler has returned nil.
	AckAuto AckMode = "auto"
	// AckManual leaves the acknowledgement to Ack and Nack.
	AckManual AckMode = "manual"
	// AckOnPoll acknowledges before the handler runs: delivery at most once.
	AckOnPoll AckMode = "on_poll"
)

// Redelivery configures redelivery after a handler has failed.
type Redelivery struct {
	// MaxDeliveries is the number of deliveries after which a message is given up; -1 means no
	// limit.
	MaxDeliveries int `yaml:"max_deliveries"`
	Backoff       `yaml:",inline"`
}

// StartFrom is where a partition without a stored offset starts.
type StartFrom string

// The start positions.
const (
	// StartFirst is the oldest message in the log.
	StartFirst StartFrom = "first"
	// StartLast is the newest message.
	StartLast StartFrom = "last"
	// StartEnd is the end of the log: only later messages are read.
	StartEnd StartFrom = "end"
)

// OnGap defines what happens at a gap in the offsets.
type OnGap string

// The actions at a gap.
const (
	// GapContinue logs and counts the gap and continues.
	GapContinue OnGap = "continue"
	// GapStop stops the partition and makes the consumer unhealthy.
	GapStop OnGap = "stop"
)

// OnReset defines what happens when a log is truncated or its stored offset is moved.
type OnReset string

// The actions at an offset reset.
const (
	// ResetFollow continues at the stored offset, or at the end of the truncated log.
	ResetFollow OnReset = "follow"
	// ResetLatest continues at the end of the log.
	ResetLatest OnReset = "latest"
	// ResetStop stops the partition and makes the consumer unhealthy.
	ResetStop OnReset = "stop"
)

const (
	// maxParkAfter is the longest time that a message stays in a partition of parked messages, as in
	// consumer/internal/park.
	maxParkAfter = 24 * time.Hour
	// serverHandover is how long the server waits for the owner of a partition to commit before it
	// assigns the partition to another member (measured on Iggy 0.8.0: 33.8 s at most, 30 s
	// configured).
	serverHandover = 30 * time.Second
	// maxPoll is the largest BatchSize. The protocol does not limit polls by bytes.
	maxPoll = 100_000
)

// CoordinationSuffix is the end of the name of each coordination group.
const CoordinationSuffix = ".balance"

// CoordinationGroup is the second group, beside Group, through which the members of Group agree on
// a rebalance.
func (c Consumer) CoordinationGroup() string { return c.Group + CoordinationSuffix }

// Groups are the consumer groups that a consumer joins: its own and, with fair_assignment, its
// coordination group.
func (c Consumer) Groups() []string {
	if c.FairAssignment {
		return []string{c.Group, c.CoordinationGroup()}
	}
	return []string{c.Group}
}

// Validate is like Config.Validate, for this section alone; its keys begin with "consumer", since
// the section does not know its name.
func (c Consumer) Validate() error {
	f := newFaults("consumer")
	c.validate(f)
	return f.err()
}

func (c Consumer) validate(f faults) {
	name(f, "group", c.Group)
	f.require(!c.FairAssignment || len(c.Group) > maxName || len(c.CoordinationGroup()) <= maxName, "group",
		"must have at most %d bytes when fair_assignment is on, which adds %s", maxName-len(CoordinationSuffix), CoordinationSuffix)
	f.require(c.BatchSize >= 1 && c.BatchSize <= maxPoll, "batch_size", "must be 1 to %d", maxPoll)
	between(f, "max_in_flight", c.MaxInFlight, 1, maxInFlight)
	between(f, "max_buffered_bytes", c.MaxBufferedBytes, 1, maxBuffer)
	f.require(c.Concurrency >= 0 && c.Concurrency <= max(c.MaxInFlight, 0), "concurrency", "must be 0 to max_in_flight (%d)", c.MaxInFlight)
	f.require(c.MaxInFlight > maxInFlight || cmp.Or(c.Concurrency, c.MaxInFlight) <= maxConcurrency, "concurrency",
		"must be 1 to %d when max_in_flight is more than that", maxConcurrency)
	oneOf(f, "ack_mode", c.AckMode, AckAuto, AckManual, AckOnPoll)
	notNegative(f, "commit_interval", c.CommitInterval)
	between(f, "commit_every", c.CommitEvery, 1, maxCommitEvery)
	notNegative(f, "handler_timeout", c.HandlerTimeout)
	c.Retry.validate(f.at("retry"))
	positive(f, "poll_interval_min", c.PollIntervalMin)
	f.require(c.PollIntervalMax >= c.PollIntervalMin, "poll_interval_max", "must not be less than poll_interval_min (%v)", c.PollIntervalMin)
	notLonger(f, "poll_interval_max", c.PollIntervalMax)
	oneOf(f, "start_from", c.StartFrom, StartFirst, StartLast, StartEnd)
	positive(f, "probe_interval", c.ProbeInterval)
	f.require(c.RebalanceTimeout > 0 && c.RebalanceTimeout < serverHandover, "rebalance_timeout",
		"must be more than 0 and less than %v, after which the server reassigns the partition", serverHandover)
	if c.FairAssignment {
		positive(f, "rebalance_after", c.RebalanceAfter)
		positive(f, "rebalance_grace", c.RebalanceGrace)
	}
	oneOf(f, "on_gap", c.OnGap, GapContinue, GapStop)
	oneOf(f, "on_reset", c.OnReset, ResetFollow, ResetLatest, ResetStop)
	between(f, "dedup_window", c.DedupWindow, 0, maxDedupWindow)
	between(f, "max_decompressed_bytes", c.MaxDecompressedBytes, 1, maxDecompressed)
	notNegative(f, "drain_timeout", c.DrainTimeout)
	notNegative(f, "max_age", c.MaxAge)
	c.DeadLetters.validate(f.at("dead_letters"))
	f.require(c.ParkAfter >= 0 && c.ParkAfter <= maxParkAfter, "park_after", "must be 0 to %v", maxParkAfter)
	f.require(c.ParkAfter == 0 || c.AckMode != AckOnPoll, "park_after", "must be 0 with ack_mode %s: the messages are acknowledged before", AckOnPoll)
	c.Parked.validate(f.at("parked"))
	if r := c.Parked.Retention; c.ParkAfter > 0 && r > 0 {
		f.require(r.Duration() >= 2*maxParkAfter, "parked.retention", "must be %v or more: messages stay in a partition for up to %v", Retention(2*maxParkAfter), maxParkAfter)
	}
}

func (t GroupTopic) validate(f faults) {
	f.require(len(t.Name) <= maxName, "name", "must have at most %d bytes", maxName)
	validateSettings(f, t.Partitions, t.Retention, t.MaxSize)
}

func (r Redelivery) validate(f faults) {
	f.require(r.MaxDeliveries >= 1 || r.MaxDeliveries == -1, "max_deliveries", "must be 1 or more, or -1 for no limit")
	r.Backoff.validate(f)
}
