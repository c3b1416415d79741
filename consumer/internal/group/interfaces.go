package group

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Session is the life of one connection: *link.Session.
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

// Connection is a connection of the machine's own, for the transient member: a started *link.Link.
type Connection interface {
	Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error
	Stop(ctx context.Context) error
}

// Dependencies are what the machine works with. All but Dial and Observer are required.
type Dependencies struct {
	// Sessions waits for a session. An error means that there will be none any more.
	Sessions func(ctx context.Context) (Session, error)
	// Dial connects the transient member that has the server assign all partitions anew.
	Dial func(ctx context.Context) (Connection, error)
	// Partitions are the consumer's.
	Partitions Partitions
	// Observer is told what happens.
	Observer Observer
}

// Partitions is the side of the consumer that fetches, delivers and commits. All methods are safe
// for concurrent use.
//
// Those with a context do the network's work: they are called in goroutines of their own, end soon
// after their context does, and log nothing that the machine logs. The others are called by the
// loop and never block. An id that is not assigned is no error: they do nothing.
type Partitions interface {
	// Take reads where the claimed partitions are to begin and prepares them. It returns those that
	// are prepared, also with an error. Nothing is fetched or delivered before Start; until then a
	// partition counts as drained. What was not wanted after all is ended without ever being
	// started.
	Take(ctx context.Context, s Session, claims []Claim) (prepared []uint32, err error)
	// Start begins to fetch and deliver, or goes on after Drain. All partitions are started in one
	// call, so that none takes the others' part of the limits.
	Start(ids ...uint32)
	// Drain takes nothing new from then on and forgets what nobody has seen; what is with the
	// application is finished. Machine.Drained is called when Summary.Drained becomes true.
	Drain(ids ...uint32)
	// Pause stops the delivery, or goes on with it.
	Pause(id uint32, paused bool)
	// Interrupt ends the contexts of the partition's handlers: their time is over. What was
	// acknowledged can be committed still.
	Interrupt(id uint32, cause error)
	// End ends the assignment: contexts of handlers end with cause, and late acknowledgements have
	// no effect. It returns how many messages were with the application and not acknowledged.
	End(id uint32, cause error) (unfinished int)
	// Summary says how an assigned partition is; false when there is none of that id.
	Summary(id uint32) (Summary, bool)
	// Commit stores the acknowledged prefix. A *MovedError says that someone else has stored
	// another offset meanwhile, and that nothing was stored.
	Commit(ctx context.Context, id uint32) error
	// Verify compares stored offsets and log ends of partitions with what they should be. It
	// decides itself which of them are due, returns what it found to be changed, and changes
	// nothing but what is known of the others: one that needed verification and is in order is
	// fetched again.
	Verify(ctx context.Context, s Session, ids []uint32) ([]Finding, error)
}

// Observer is told what happens, in order, by the loop: it must not block.
type Observer interface {
	// Joined says that a membership begins: from now on the session's partitions may be polled.
	Joined(s Session)
	// Left says that the membership is over, and that no partition is assigned any more.
	Left(s Session)
	// Assigned, Revoked and Lost name partitions: Revoked ones were given away with nothing left to
	// do, Lost ones with work under way.
	Assigned(ids []uint32)
	Revoked(ids []uint32)
	Lost(ids []uint32)
}

// Claim is a partition to be taken.
type Claim struct {
	Partition uint32
	// Epoch is the number of the assignment, for Machine.Refused.
	Epoch uint64
	// Paused tells that the application has paused the partition.
	Paused bool
	// Finding is why it is taken again; its Cause is nil when it is not.
	Finding Finding
	// Attempt counts how often the partition was taken or verified again without being stable
	// since, from 0. From 3 on the machine logs that and nothing else should, since it may go on
	// without end.
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

// Summary is how an assigned partition is at one moment.
type Summary struct {
	// Acknowledged tells whether some message was acknowledged, or the assignment began after an
	// offset; Prefix is then the last offset of the acknowledged prefix.
	Acknowledged bool
	Prefix       uint64
	// Polled is the offset after the last one that was polled; 0 when none was.
	Polled uint64
	// Delivered tells whether a message was given to the application, and Fetched whether messages
	// were fetched that are not settled.
	Delivered, Fetched bool
	// Unfinished is how many messages are with the application and not acknowledged; Waiting is how
	// many of them nobody works on.
	Unfinished, Waiting int
	// Uncommitted is how many acknowledged messages have no stored offset.
	Uncommitted int
	// OnlyWaiting tells that there are unfinished messages and that nobody works on any.
	OnlyWaiting bool
	// Drained tells that nothing is with the application or on the way to it, apart from messages
	// of a drained partition that only wait.
	Drained bool
}

// mustDeliver tells that nothing can be committed yet, and so that the partition can't be handed
// over before its first message is handled, however long that waits.
func (s Summary) mustDeliver() bool {
	return !s.Acknowledged && (!s.Delivered && s.Fetched || s.OnlyWaiting)
}
