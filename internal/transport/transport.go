package transport

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Conn is one connection. All methods are safe for concurrent use. A transport may have several
// requests in flight or make one after another. The server answers them in the order in which the
// calls began to write.
//
// Each call ends at the latest when its context does. Errors are *iggyerr.StatusError for an answer
// of the server, and *iggyerr.ConnError for a call that ended without an answer, with
// iggyerr.ErrProtocol in its chain when the peer's bytes were the reason, and ErrUndecodable too when
// they were messages of the call's own answer. Names, credentials and
// batches that no request can contain are refused with an error of their own, and nothing is sent.
// When a context ends after the request was written, the connection stays usable in the native
// transport (the late answer is discarded) and ends in the SDK's; Done tells. After any other error
// for which iggyerr.BreaksConnection is true, Done is closed or will be at once.
type Conn interface {
	// Login authenticates the connection, by token when there is one.
	Login(ctx context.Context, c Credentials) error
	// Ping checks that the server answers, which it does without a login.
	Ping(ctx context.Context) error
	// Topic reads a topic's metadata.
	Topic(ctx context.Context, stream, topic string) (Topic, error)
	// Send appends the batch to one partition. The batch must not be changed before the call
	// returns and is not used after it.
	Send(ctx context.Context, stream, topic string, partition uint32, b *wire.Batch) error
	// Poll reads messages.
	Poll(ctx context.Context, p Poll) (*Polled, error)
	// StoreOffset sets the offset of the last processed message of a consumer in a partition. It
	// may go backwards. Past the end of the log is status 4100.
	StoreOffset(ctx context.Context, c Consumer, partition uint32, offset uint64) error
	// DeleteOffset deletes a consumer's offset in a partition. When there is none, the status is
	// 3021. Only the members of a group may delete its offset.
	DeleteOffset(ctx context.Context, c Consumer, partition uint32) error
	// Offset reads a consumer's stored offset and the partition's end.
	Offset(ctx context.Context, c Consumer, partition uint32) (Offset, error)
	// Join makes this connection a member of a consumer group.
	Join(ctx context.Context, g Group) error
	// Leave ends the membership. The server assigns the partitions again at once.
	Leave(ctx context.Context, g Group) error
	// Members reads which partitions each member of a group owns.
	Members(ctx context.Context, g Group) (Members, error)
	// Done is closed when the connection can't be used any more.
	Done() <-chan struct{}
	// Err is why Done was closed; nil before.
	Err() error
	// Close ends the connection at once, and calls in progress return. It waits only for the
	// connection's own goroutines. It may be called twice.
	Close() error
}

// Dialer opens connections of one transport.
type Dialer interface {
	// Dial connects, TLS included, but does not log in. It ends with ctx.
	Dial(ctx context.Context, address string, tls *tls.Config) (Conn, error)
}

// Credentials are a user name and a password, or a personal access token, which has precedence.
type Credentials struct {
	Username, Password, Token string
}

// Topic is a topic's metadata.
type Topic struct {
	// Partitions contains each partition, ordered by id. Ids start at 0.
	Partitions []Partition
}

// Partition is a partition's metadata.
type Partition struct {
	ID uint32
	// Messages is the number of messages in the partition. It tells an empty partition from one
	// with a single message, which both have the current offset 0.
	Messages uint64
	// CurrentOffset is the offset of the last message; 0 when there is none.
	CurrentOffset uint64
}

// Group names a consumer group of a topic.
type Group struct {
	Stream, Topic, Name string
}

// Consumer names the owner of offsets in a topic: a consumer group, or a single consumer.
type Consumer struct {
	Stream, Topic, Name string
	// Group tells whether Name is a consumer group's.
	Group bool
}

// Strategy tells where a poll begins.
type Strategy struct {
	Kind StrategyKind
	// Value is an offset, or a time in microseconds since the epoch.
	Value uint64
}

// StrategyKind is the number of a polling strategy on the wire.
type StrategyKind uint8

// The polling strategies.
const (
	FromOffset    StrategyKind = 1
	FromTimestamp StrategyKind = 2
	FromFirst     StrategyKind = 3
)

// AnyPartition as Poll.Partition lets the server choose one of the member's partitions, round
// robin.
const AnyPartition = -1

// Poll is a request for messages.
type Poll struct {
	Consumer Consumer
	// Partition is a partition id, or AnyPartition.
	Partition int64
	Strategy  Strategy
	// Count is the largest number of messages wanted.
	Count uint32
	// MaxBytes bounds what is kept of the answer, since the protocol has no limit by size: messages
	// beyond it are dropped as they come. At least one message is kept. 0 means no bound. The SDK's
	// transport reads the whole answer before it drops messages.
	MaxBytes int
}

// Polled is the answer to a Poll.
type Polled struct {
	// Partition is the partition that the messages are from. For a group member that does not own
	// the asked partition it is 0, without messages.
	Partition uint32
	// CurrentOffset is the offset of the partition's last message; 0 when it is empty.
	CurrentOffset uint64
	// Messages alias memory that belongs to this answer alone.
	Messages []wire.Message
	// Recycle, if set, releases the memory of the messages' payloads and headers for another
	// answer. It may be called once, and need not be called.
	Recycle func()
	// Truncated tells that messages were dropped because of MaxBytes.
	Truncated bool
}

// Offset is a consumer's position in a partition.
type Offset struct {
	// Stored tells whether an offset is stored; Offset is valid only then.
	Stored bool
	// Offset is the offset of the last message that was processed.
	Offset uint64
	// CurrentOffset is the offset of the partition's last message.
	CurrentOffset uint64
}

// Members are the members of a consumer group, in no order: the server does not say which one is
// the caller.
type Members struct {
	// Partitions has one entry per member: the ids of the partitions that it owns.
	Partitions [][]uint32
}

// ErrEmptyBatch is returned for a send without messages, which the protocol does not allow. Nothing
// is sent.
var ErrEmptyBatch = errors.New("iggy: send: empty batch")
