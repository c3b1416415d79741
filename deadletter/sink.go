package deadletter

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/origin"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Sink writes dead letters. It implements consumer.DeadLetters[T] for every type of message, and is
// safe for concurrent use.
type Sink[T any] struct {
	sender  topic.RawSender
	letters topic.Topic[Letter]
}

// New returns a sink that writes to letters, which TopicOf returns. The topic must exist, or the
// producer must create it (producer.OnMissingTopic): fxiggy.DeadLetters does all of this.
func New[T any](s topic.RawSender, letters topic.Topic[Letter]) *Sink[T] { return &Sink[T]{s, letters} }

// Topic returns the topic of the dead letters.
func (s *Sink[T]) Topic() topic.Topic[Letter] { return s.letters }

// DeadLetter writes the dead letter of a message, and returns nil when it is confirmed. The dead
// letter has the message's payload as it is stored, its id, its origin timestamp and all of its
// headers; the headers that describe the failure are before those. The message's key chooses the
// partition. Several calls for one message write dead letters with one id.
//
// A dead letter can always be published. Of a message that other programs have made too large for it,
// beyond 10,000,000 bytes of payload or about 97,000 bytes of headers, it has less; see
// Letter.Incomplete.
func (s *Sink[T]) DeadLetter(ctx context.Context, f topic.Failure[T]) error {
	return s.sender.SendRaw(ctx, newMessage(s.letters, f, time.Now()))
}

// maxKey is the largest size of a partition key in bytes.
const maxKey = 255

// newMessage returns the dead letter of a message that was given up at the given time.
func newMessage[T any](to topic.Topic[Letter], f topic.Failure[T], at time.Time) topic.RawMessage {
	m := f.Raw
	m.Stream, m.Topic, m.ByKey = to.Stream(), to.Name(), true
	m.Key = f.Key[:min(len(f.Key), maxKey)]
	if m.ID == ([16]byte{}) {
		m.ID = origin.ID("dead letter of " + Identity(f.Origin))
	}
	var limited []topic.Header
	if n := len(m.Payload); n == 0 || n > iggyerr.MaxPayloadBytes {
		limited = append(limited, topic.Header{Key: HeaderPayloadBytes, Value: strconv.Itoa(n)})
		if m.Payload = m.Payload[:min(n, iggyerr.MaxPayloadBytes)]; n == 0 {
			m.Payload = []byte{0}
		}
	}
	described := origin.Encode(describe(f, at, limited...))
	own, omitted := limit(m.Headers, iggyerr.MaxHeaderBytes-len(described))
	if omitted > 0 {
		limited = append(limited, topic.Header{Key: headerOmitted, Value: strconv.Itoa(omitted)})
		described = origin.Encode(describe(f, at, limited...))
		own, _ = limit(m.Headers, iggyerr.MaxHeaderBytes-len(described))
	}
	m.Headers = slices.Concat(described, own)
	return m
}

// payloadHeaders are the headers that are needed to read a payload, or to choose its partition.
var payloadHeaders = []string{topic.HeaderContentType, topic.HeaderContentEncoding, topic.HeaderMessageType, topic.HeaderPartitionKey}

func isPayloadHeader(key string) bool {
	return slices.ContainsFunc(payloadHeaders, func(h string) bool { return strings.EqualFold(h, key) })
}

// limit returns encoded headers without as many of the last ones as have no room, and how many these
// are. The payloadHeaders stay. What can't be decoded counts as one header.
func limit(encoded []byte, room int) (kept []byte, omitted int) {
	excess := len(encoded) - room
	if excess <= 0 {
		return encoded, 0
	}
	type header struct {
		encoded []byte
		needed  bool
	}
	var all []header
	for rest := encoded; len(rest) > 0; {
		key, _, next, err := wire.NextHeader(rest)
		all = append(all, header{rest[:len(rest)-len(next)], err == nil && isPayloadHeader(key)})
		rest = next
	}
	for i, h := range slices.Backward(all) {
		if excess > 0 && !h.needed {
			excess -= len(h.encoded)
			omitted++
			all[i].encoded = nil
		}
	}
	for _, h := range all {
		kept = append(kept, h.encoded...)
	}
	return kept, omitted
}
