package deliver

import (
	"bytes"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var contentEncoding = []byte(topic.HeaderContentEncoding)

// Compressed reports whether a message may be compressed. Most messages have no headers.
func Compressed(m *wire.Message) bool {
	return len(m.Headers) > 0 && bytes.Contains(m.Headers, contentEncoding)
}

// ContentEncoding returns the compression that a message's headers name; empty is none. It returns
// an error when the headers are malformed.
func ContentEncoding(m *wire.Message) (name string, err error) {
	err = wire.RangeHeaders(m.Headers, func(key, value string) bool {
		if key != topic.HeaderContentEncoding {
			return true
		}
		name = value
		return false
	})
	return name, err
}
