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
	// FairAssignment has the members share the partitions evenly, through CoordinationGroup.
	FairAssignment    bool
	CoordinationGroup string
	// RebalanceAfter is how long shares must differ by two before the partitions are assigned anew.
	RebalanceAfter time.Duration
	// RebalanceGrace is how long the other members are waited for.
	RebalanceGrace time.Duration
	// RebalanceTimeout bounds finishing a partition that is to be handed over.
	RebalanceTimeout time.Duration
	// ProbeInterval is how often the assignment is learned and verified.
	ProbeInterval time.Duration
	// Align shortens the waits between probes so that they end together with others; nil leaves
	// them.
	Align func(time.Duration) time.Duration
	// Log is for changes of state; nil means none.
	Log *zap.Logger
}
