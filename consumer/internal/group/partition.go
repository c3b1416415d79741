package group

import "time"

// PartitionState is how far a partition's assignment has come.
type PartitionState uint8

const (
	// PartitionAbsent is not known to be this member's.
	PartitionAbsent PartitionState = iota
	// PartitionWaiting is this member's and waits to be taken.
	PartitionWaiting
	// PartitionTaking is being taken: its offsets are read.
	PartitionTaking
	// PartitionActive is fetched and delivered.
	PartitionActive
	// PartitionDraining is about to be assigned to another member: its messages in flight are
	// finished.
	PartitionDraining
	// PartitionHandingOver is being committed for the last time, and so given to the other member.
	PartitionHandingOver
	// PartitionSeeking is being set to another place.
	PartitionSeeking

	partitionStates
)

var partitionStateNames = [partitionStates]string{"absent", "waiting", "taking", "active", "draining", "handing over", "seeking"}

func (s PartitionState) String() string { return partitionStateNames[s] }

// assigned tells whether the consumer has an assignment of the partition in this state.
func (s PartitionState) assigned() bool { return s >= PartitionActive }

// partitionEvent is what may happen to a partition.
type partitionEvent uint8

const (
	partitionFound partitionEvent = iota // new in what the server names
	takeBegun                            //
	takeDone                             //
	takeFailed                           //
	changeFound                          // its offset or its log is not what it was
	drainBegun                           // the server is about to move it
	stays                                // the server does not move it after all
	handOverBegun                        //
	handOverFailed                       //
	handOverDone                         //
	seekBegun                            //
	seekDone                             //
	seekFailed                           // it is where it was
	seekReleased                         // it failed when the former assignment had ended
	partitionLost                        // it is another member's, or the membership is over
	partitionEvents
)

var partitionEventNames = [partitionEvents]string{
	"found", "take begun", "take done", "take failed", "change found", "drain begun", "stays",
	"hand-over begun", "hand-over failed", "hand-over done",
	"seek begun", "seek done", "seek failed", "seek released", "lost",
}

func (e partitionEvent) String() string { return partitionEventNames[e] }

// partition is a partition that is this member's. It belongs to the loop.
type partition struct {
	id    uint32
	state PartitionState
	epoch uint64
	// finding is why it is taken again.
	finding Finding
	// deadline is when the time for draining is over, and interrupted tells that its handlers were
	// told so.
	deadline    time.Time
	interrupted bool
	// retryAt is when a hand-over that failed is tried again, and failures how often it did.
	retryAt  time.Time
	failures int
}
