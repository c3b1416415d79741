package deliver

import (
	"context"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// App is the part of a consumer that knows the type of its messages. Its methods are called without
// a lock, except Copy and OnUnreachable. Decode, DeadLetter and Park may panic or end their
// goroutine.
type App interface {
	// Decode makes a Message of each of raw, messages of q, and appends them to dst. It sets Raw, and
	// either Key, Value and Decompressed or Err, which says why the message can't be decoded.
	Decode(q *Queue, raw []wire.Message, dst []*Message) []*Message
	// Undecodable makes the Message of one of q that can't be decoded because of cause.
	Undecodable(q *Queue, raw *wire.Message, cause error) *Message
	// Copy makes a new Message for the next delivery of m. It has the decoded value of m if value is
	// set, and no other field. Copy calls no code of the application.
	Copy(m *Message, value bool) *Message
	// DecodeAgain decodes m, which Copy made, from m.Raw: a handler may have changed the value that
	// it was given. It sets Value and Decompressed. When it fails, panics or ends its goroutine, the
	// value that m has stays; without a value the message is given up.
	DecodeAgain(m *Message) error
	// HasDeadLetters reports whether the consumer has dead letters.
	HasDeadLetters() bool
	// DeadLetter writes m to the dead letters. It returns nil only when that was confirmed.
	DeadLetter(ctx context.Context, m *Message, cause error, code string, attempts int) error
	// Park writes m to the parked messages. It returns nil only when that was confirmed, and
	// iggyerr.ErrTooLarge for a message that can't be parked. attempts is how many deliveries failed.
	Park(ctx context.Context, m *Message, due time.Time, attempts int) error
	// OnUnreachable has f called when the value of m is unreachable. f must not refer to m.
	OnUnreachable(m *Message, f func())
}

// Progress is the commit side of an assignment. Its methods must not block and must not call the
// queue; they are called under the queue's lock.
type Progress interface {
	// Advance sets the acknowledged prefix, which has grown.
	Advance(commit.Prefix)
	// Committed returns how many messages of the assignment are covered by the stored offset.
	Committed() uint64
	// Request requests a commit: the queue admits nothing new before that.
	Request()
}

// Owner is told what happens in a queue. Its methods must not block; no lock of the queue is held.
type Owner interface {
	// Drained says that a draining queue may be drained. It may be called more than once, and may be
	// outdated: State tells what is true.
	Drained()
	// BatchAdmitted says that a batch has left the prefetch buffer: there is room for another one.
	BatchAdmitted()
	// ReportError reports an error for the consumer's status.
	ReportError(err error)
	// Log writes an entry to the log.
	Log(e Entry)
}
