package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// message is a stored message.
type message struct {
	partition uint32
	offset    uint64
	id        [16]byte
	timestamp time.Time // when the server stored it
	headers   []topic.Header
	payload   []byte // decompressed, unless there is a fault
	fault     error  // why the payload could not be decompressed
}

func newMessage(m *consumer.Message[[]byte]) message {
	return message{
		partition: m.Partition(), offset: m.Offset(), id: m.ID(),
		timestamp: m.Timestamp(), headers: m.Headers(), payload: m.Value,
	}
}

// newFaultyMessage is a message that the consumer could not decompress.
func newFaultyMessage(f topic.Failure[[]byte]) message {
	return message{
		partition: f.Origin.Partition, offset: f.Origin.Offset, id: f.Origin.ID,
		timestamp: f.Origin.Timestamp, headers: f.Headers, payload: slices.Clone(f.Payload), fault: f.Err,
	}
}

// position is the place of the message in its topic: partition/offset.
func (m message) position() string { return fmt.Sprintf("%d/%d", m.partition, m.offset) }

// header is the value of the first header with a key, in any case of letters; empty without one.
func (m message) header(key string) string {
	for _, h := range m.headers {
		if strings.EqualFold(h.Key, key) {
			return h.Value
		}
	}
	return ""
}

// decode decodes the payload of a message.
func decode[T any](codec topic.Codec[T], m message) (T, error) {
	if m.fault != nil {
		var none T
		return none, m.fault
	}
	return codec.Decode(m.payload)
}
