package deliver

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// App is the side of a consumer that knows the type of its messages. No lock is held when its
// methods are called, but for Copy and OnForgotten. Decode and DeadLetter may panic or end their
// goroutine.
type App interface {
	// Decode makes a Message of each of raw and appends them to dst. It sets Raw, and either Key,
	// Value and Decompressed or Err, which says why the message can't be decoded.
	Decode(raw []wire.Message, dst []*Message) []*Message
	// Broken makes the Message of one that can't be decoded because of cause.
	Broken(raw *wire.Message, cause error) *Message
	// Copy makes a new Message, in memory of its own, for the next delivery of m. The new one has
	// the decoded value of m if that is wanted, and no other field set. It calls no code of the
	// application.
	Copy(m *Message, value bool) *Message
	// Renew decodes m, which Copy made, anew from m.Raw: a handler may have changed what it was
	// given. It sets Value and Decompressed. When it fails, or panics, or ends its goroutine, the
	// value that m has stays; without one the message is given up.
	Renew(m *Message) error
	// HasDeadLetters tells whether the consumer has dead letters.
	HasDeadLetters() bool
	// DeadLetter writes m to the dead letters. nil means that this was confirmed.
	DeadLetter(ctx context.Context, m *Message, cause error, code string, attempts int) error
	// OnForgotten calls f when nobody refers to m's value any more. f refers to nothing of m.
	OnForgotten(m *Message, f func())
}

// Progress is the commit side of an assignment. Its methods must not block and must not call the
// queue; they are called under the queue's lock.
type Progress interface {
	// Advance tells how far the acknowledged prefix has grown.
	Advance(commit.Prefix)
	// Committed returns how many messages of the assignment are covered by the stored offset.
	Committed() uint64
	// Request asks for a commit soon: the queue takes nothing new before that.
	Request()
}

// Owner hears of what happens in a queue. Its methods must not block; no lock of the queue is held.
type Owner interface {
	// Drained is called when a draining queue has nothing more to do. It may be called more than
	// once, and be outdated: look at State.
	Drained()
	// WantMore is called when a batch has left the prefetch buffer.
	WantMore()
	// Note tells of an error that the consumer's status should show.
	Note(err error)
	// Log takes an entry for the log.
	Log(e Entry)
}
