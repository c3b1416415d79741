package deadletter

import (
	"context"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/internal/origin"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Replay publishes the message of a dead letter to where it came from, byte for byte and with all of
// its headers, and returns nil when it is confirmed. It goes to the partition of the key that is stored
// with it (topic.StoreKey), so that it comes after the earlier messages of its key. Without a stored
// key it goes to its former partition. All consumer groups of its topic get it.
//
// The message has the header replay-of, and the id that ReplayID returns for Identity(l.Origin) and n:
// n is 0 for the first replay of a dead letter, 1 for the second one and so on. A repetition of one
// replay has the same id, so consumers with dedup_window drop it. To replay each dead letter once,
// read them as a consumer group: the committed offset is the progress.
func Replay(ctx context.Context, s topic.RawSender, l Letter, n int) error {
	if l.Incomplete != "" {
		return fmt.Errorf("deadletter: replay %s: %s", l.Position, l.Incomplete)
	}
	m := l.Message
	m.ID = ReplayID(Identity(l.Origin), n)
	// A consumer may have found another key than the one by which the partition was chosen.
	if m.Key = topic.EncodedHeaders(m.Headers).Get(topic.HeaderPartitionKey); m.Key != "" {
		m.ByKey = true
	}
	m.Headers = slices.Concat(origin.Encode(origin.Append(nil, topic.HeaderReplayOf, l.Position)), withoutReplayOf(m.Headers))
	return s.SendRaw(ctx, m)
}

// ReplayID returns the message id of the n-th replay of a dead letter, from 0, by what identifies the
// dead letter. All versions of this library return the same id, so that a replay with another version
// is a duplicate, too.
func ReplayID(identity string, n int) [16]byte {
	return origin.ID(fmt.Sprintf("replay %d of %s", n, identity))
}

// withoutReplayOf returns the headers of a message without that of a former replay, which is the first
// one.
func withoutReplayOf(encoded []byte) []byte {
	if key, _, rest, err := wire.NextHeader(encoded); err == nil && key == topic.HeaderReplayOf {
		return rest
	}
	return encoded
}
