package consumer

import (
	"bytes"

	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// decompress returns the message's payload without the compression that its headers name.
func (c *Consumer[T]) decompress(raw *wire.Message) ([]byte, error) {
	if !compressed(raw) {
		// Most messages end here, without their headers being decoded.
		return raw.Payload, nil
	}
	name, err := encodingOf(raw)
	if err != nil {
		return nil, err
	}
	return encoding.Decode(name, raw.Payload, int(c.e.cfg.MaxDecompressedBytes))
}

var contentEncoding = []byte(topic.HeaderContentEncoding)

// compressed reports whether a message may be compressed. Most messages have no headers.
func compressed(m *wire.Message) bool {
	return len(m.Headers) > 0 && bytes.Contains(m.Headers, contentEncoding)
}

// encodingOf returns the compression that a message's headers name; empty is none. It returns an
// error when the headers are malformed.
func encodingOf(m *wire.Message) (name string, err error) {
	err = wire.RangeHeaders(m.Headers, func(key, value string) bool {
		if key != topic.HeaderContentEncoding {
			return true
		}
		name = value
		return false
	})
	return name, err
}
