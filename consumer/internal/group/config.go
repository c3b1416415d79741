package group

import (
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Config says what a machine does.
type Config struct {
	// Consumer names the group, or the standalone consumer where its Group is false.
	Consumer transport.Consumer
	// Partitions are those that a standalone consumer reads; none means all.
	Partitions []uint32
	// FairAssignment has the members share the partitions fairly, by means of CoordinationGroup.
	FairAssignment    bool
	CoordinationGroup string
	// RebalanceAfter is how long shares must differ by two before the partitions are assigned anew.
	RebalanceAfter time.Duration
	// RebalanceGrace is how long a member waits for the others.
	RebalanceGrace time.Duration
	// RebalanceTimeout is how long the messages in flight of a partition are waited for before it is
	// handed over.
	RebalanceTimeout time.Duration
	// ProbeInterval is how often the assignment is learned and verified.
	ProbeInterval time.Duration
	// Align shortens the waits between probes so that they end together with other timers of the
	// process; nil does not.
	Align func(time.Duration) time.Duration
	// Log gets the changes of state; nil means none.
	Log *zap.Logger
}
