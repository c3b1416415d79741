package group

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Session is one connection from its login to its end: *link.Session.
type Session interface {
	// Do runs fn on the connection. It ends with ctx, and by itself when the server does not
	// answer.
	Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error
	// Done is closed when the session is over, and Err says why.
	Done() <-chan struct{}
	Err() error
	// Generation counts the sessions of a link.
	Generation() uint64
}

// Connection is the connection of the transient member: a started *link.Link.
type Connection interface {
	Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error
	Stop(ctx context.Context) error
}

// Dependencies are what the machine uses. All are required, except Dial without fair assignment.
type Dependencies struct {
	// Sessions waits for a session. An error means that there will be no more sessions.
	Sessions func(ctx context.Context) (Session, error)
	// Dial connects the transient member that has the server assign all partitions anew.
	Dial func(ctx context.Context) (Connection, error)
	// Partitions fetches, delivers and commits.
	Partitions Partitions
	// Observer is told what happens.
	Observer Observer
}

// Partitions is the side of the consumer that fetches, delivers and commits. All methods are safe
// for concurrent use.
//
// The methods with a context make requests: they are called in goroutines of their own, end soon
// after their context does, and log nothing that the machine logs. The others are called by the
// loop and must not block. They do nothing for a partition that is not assigned.
type Partitions interface {
	// Prepare reads where the claimed partitions begin and makes their assignments. It returns the
	// partitions that are prepared, also with an error. Nothing is fetched or delivered before
	// Start; until then a partition counts as drained. An assignment that is not needed any more is
	// ended without being started.
	Prepare(ctx context.Context, s Session, claims []Claim) (prepared []uint32, err error)
	// Start begins to fetch and deliver, or ends Drain. All partitions are started in one call, so
	// that none uses the part of the limits that belongs to the others.
	Start(ids ...uint32)
	// Drain fetches and delivers nothing new and forgets the messages that were not delivered; those
	// in flight are waited for. Machine.Drained is called when Summary.Drained becomes true.
	Drain(ids ...uint32)
	// Pause stops the delivery, or resumes it.
	Pause(id uint32, paused bool)
	// Interrupt ends the contexts of the partition's handlers: their time is over. The acknowledged
	// prefix can still be committed.
	Interrupt(id uint32, cause error)
	// End ends the assignment: the contexts of its handlers end with cause, and acknowledgements have
	// no effect after that. It returns how many messages were in flight or waited for redelivery.
	End(id uint32, cause error) (unfinished int)
	// Summary returns the state of an assigned partition; false when it is not assigned.
	Summary(id uint32) (Summary, bool)
	// Commit stores the acknowledged prefix. A *ResetError says that someone else has stored
	// another offset meanwhile, and that nothing was stored.
	Commit(ctx context.Context, id uint32) error
	// CommitAgain stores the acknowledged prefix also if it is stored already.
	CommitAgain(ctx context.Context, id uint32) error
	// Verify compares the stored offsets and the log ends of partitions with what they should be. It
	// decides by itself for which of them that is due, and returns those that have changed. A
	// partition that needed verification and has not changed is fetched again.
	Verify(ctx context.Context, s Session, ids []uint32) ([]Finding, error)
}

// Observer is told what happens, in order, by the loop: it must not block.
type Observer interface {
	// Joined says that a membership begins: from then on partitions may be polled over the session.
	Joined(s Session)
	// Left says that the membership has ended: no partition is assigned any more.
	Left(s Session)
	// Assigned, Revoked and Lost name partitions: Revoked ones were handed over with no message
	// unfinished, Lost ones with unfinished messages.
	Assigned(ids []uint32)
	Revoked(ids []uint32)
	Lost(ids []uint32)
}

// Claim is a partition to be prepared.
type Claim struct {
	Partition uint32
	// Epoch is the number of the assignment, for Machine.Refused.
	Epoch uint64
	// Paused tells that the application has paused the partition.
	Paused bool
	// Finding is why the partition is prepared again; its Cause is nil for the first time.
	Finding Finding
	// Attempt counts how often the partition was prepared or verified again without being stable
	// since, from 0. From 3 on only the machine logs that, since it may repeat without end.
	Attempt int
}

// Finding is what a verification found to be changed.
type Finding struct {
	Partition uint32
	// Cause says what has changed: the log was truncated or the offset was reset.
	Cause error
	// Reached is the offset that had been reached, and Truncated tells that the log ends before it.
	Reached   uint64
	Truncated bool
}

// Summary is the state of an assigned partition at one moment.
type Summary struct {
	// Acknowledged tells whether some message was acknowledged, or the assignment began after an
	// offset; Prefix is then the last offset of the acknowledged prefix.
	Acknowledged bool
	Prefix       uint64
	// Polled is the offset after the last one that was polled, or more where that is not known; 0
	// when none was.
	Polled uint64
	// Delivered tells whether a message was delivered, and Fetched whether messages were fetched
	// that are not settled.
	Delivered, Fetched bool
	// Unfinished is how many messages were delivered and are not settled; Waiting is how many of
	// them are not in flight, but wait for redelivery.
	Unfinished, Waiting int
	// Uncommitted is how many acknowledged messages have no stored offset.
	Uncommitted int
	// OnlyWaiting tells that there are unfinished messages and none of them is in flight.
	OnlyWaiting bool
	// Drained tells that no message is in flight or about to be delivered. Messages of a draining
	// partition may wait for redelivery.
	Drained bool
}

// mustDeliver reports whether nothing can be committed yet: then the partition can't be handed over
// before its first message is settled, however long that takes.
func (s Summary) mustDeliver() bool {
	return !s.Acknowledged && (!s.Delivered && s.Fetched || s.OnlyWaiting)
}
