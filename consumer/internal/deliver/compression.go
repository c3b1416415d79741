package deliver

import (
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Compressed reports whether a message has a content-encoding. Most messages have none, and many no
// headers.
func Compressed(m *wire.Message) bool { return wire.HasHeader(m.Headers, topic.HeaderContentEncoding) }

// ContentEncoding returns the compression that a message's headers name; empty is none. It returns
// an error when the headers are malformed.
func ContentEncoding(m *wire.Message) (name string, err error) {
	value, _, err := wire.FindHeader(m.Headers, topic.HeaderContentEncoding)
	for _, known := range [...]string{"zstd", "s2", "gzip"} {
		if string(value) == known {
			return known, err // without an allocation
		}
	}
	return string(value), err
}
