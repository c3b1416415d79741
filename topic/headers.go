package topic

import (
	"iter"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Headers are the user headers of a message that is decoded. They are read when they are asked for,
// so a codec that does not need them costs nothing. The zero value has none.
type Headers struct {
	encoded []byte
	decoded []Header
}

// HeadersOf returns the given headers, for calls of a codec without a consumer.
func HeadersOf(headers ...Header) Headers { return Headers{decoded: headers} }

// EncodedHeaders returns the headers of a message as they are stored, RawMessage.Headers for example.
func EncodedHeaders(encoded []byte) Headers { return Headers{encoded: encoded} }

// All returns the headers in their order. Those after a malformed one are left out.
func (h Headers) All() iter.Seq[Header] {
	return func(yield func(Header) bool) {
		for _, header := range h.decoded {
			if !yield(header) {
				return
			}
		}
		_ = wire.RangeHeaders(h.encoded, func(key, value string) bool { return yield(Header{Key: key, Value: value}) })
	}
}

// Get returns the value of the first header with that key, in any case of letters; empty when there
// is none.
func (h Headers) Get(key string) string {
	for header := range h.All() {
		if strings.EqualFold(header.Key, key) {
			return header.Value
		}
	}
	return ""
}
