package deliver

import (
	"strings"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Compressed reports whether a message has a content-encoding. Most messages have none, and many no
// headers.
func Compressed(m *wire.Message) bool { return wire.HasHeader(m.Headers, topic.HeaderContentEncoding) }

// ContentEncoding returns the compression that a message's headers name; empty is none. It returns
// an error when the headers are malformed.
func ContentEncoding(m *wire.Message) (name string, err error) {
	err = wire.RangeHeaders(m.Headers, func(key, value string) bool {
		if !strings.EqualFold(key, topic.HeaderContentEncoding) {
			return true
		}
		name = value
		return false
	})
	return name, err
}
