package group

import "time"

// PartitionState is how far a partition's assignment has come.
type PartitionState uint8

const (
	// PartitionAbsent is not assigned to this member, as far as known.
	PartitionAbsent PartitionState = iota
	// PartitionWaiting is assigned to this member and waits to be prepared.
	PartitionWaiting
	// PartitionPreparing is being prepared: its offsets are read.
	PartitionPreparing
	// PartitionActive is fetched and delivered.
	PartitionActive
	// PartitionDraining is about to be assigned to another member: its messages in flight are waited
	// for.
	PartitionDraining
	// PartitionHandingOver is being committed for the last time, with which the server moves it to the
	// other member.
	PartitionHandingOver
	// PartitionSeeking is being moved to another position by Seek.
	PartitionSeeking

	partitionStates
)

var partitionStateNames = [partitionStates]string{"absent", "waiting", "preparing", "active", "draining", "handing over", "seeking"}

func (s PartitionState) String() string { return partitionStateNames[s] }

// assigned reports whether the consumer has an assignment of the partition in this state.
func (s PartitionState) assigned() bool { return s >= PartitionActive }

// partitionEvent is an event of a partition.
type partitionEvent uint8

const (
	partitionFound        partitionEvent = iota // the server names it, and did not before
	prepareBegun                                //
	prepareDone                                 //
	prepareFailed                               //
	changeFound                                 // its stored offset or its log has changed
	drainBegun                                  // the server is about to move it
	reassignmentCancelled                       // the server does not move it any more
	handOverBegun                               //
	handOverFailed                              //
	handOverDone                                //
	seekBegun                                   //
	seekDone                                    //
	seekFailed                                  // the position is unchanged
	seekReleased                                // it failed after the former assignment had ended
	partitionLost                               // it is assigned to another member, or the membership has ended
	partitionEvents
)

var partitionEventNames = [partitionEvents]string{
	"found", "prepare begun", "prepare done", "prepare failed", "change found", "drain begun", "reassignment cancelled",
	"handover begun", "handover failed", "handover done",
	"seek begun", "seek done", "seek failed", "seek released", "lost",
}

func (e partitionEvent) String() string { return partitionEventNames[e] }

// partition is a partition that is assigned to this member. It belongs to the loop.
type partition struct {
	id    uint32
	state PartitionState
	epoch uint64
	// finding is why it is prepared again.
	finding Finding
	// deadline is when the time for draining is over, and interrupted tells that the contexts of its
	// handlers were ended then.
	deadline    time.Time
	interrupted bool
	// retryAt is when a failed handover is tried again, and failures counts those.
	retryAt  time.Time
	failures int
}
