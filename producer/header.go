package producer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// libraryHeaders are the headers that the library sets.
var libraryHeaders = []string{
	topic.HeaderContentType, topic.HeaderMessageType, topic.HeaderContentEncoding, topic.HeaderPartitionKey,
	topic.HeaderTraceParent, topic.HeaderTraceState,
}

// headerParts describes how many bytes of the encoded headers are the message's own, and how many
// the library added.
func headerParts(headers []byte) string {
	sizes := map[string]int{}
	own := 0
	_ = wire.RangeHeaders(headers, func(key, value string) bool {
		if n := wire.HeaderSize(key, value); slices.Contains(libraryHeaders, key) {
			sizes[key] += n
		} else {
			own += n
		}
		return true
	})
	text := fmt.Sprintf("the message's own %d", own)
	for _, key := range libraryHeaders {
		if n := sizes[key]; n > 0 {
			text += fmt.Sprintf(", %s %d", key, n)
		}
	}
	return text
}

// addHeaders appends user headers. Those that the item has from the library are replaced.
func (it *item) addHeaders(headers []topic.Header) error {
	if len(headers) == 0 {
		return nil
	}
	s := it.ownHeaders()
	s.headers = appendWithout(s.headers[:0], it.headers, headers)
	for i, h := range headers {
		if err := checkHeader(h.Key, h.Value); err != nil {
			return err
		}
		if i > 0 && isLibraryHeader(h.Key) && hasHeader(headers[:i], h.Key) {
			return fmt.Errorf("header %q is given twice: %w", h.Key, errHeader)
		}
		s.headers = wire.AppendHeader(s.headers, h.Key, h.Value)
	}
	it.headers = s.headers
	return nil
}

// appendWithout appends the encoded headers without those whose keys are in replaced. Both may
// share their memory.
func appendWithout(to, encoded []byte, replaced []topic.Header) []byte {
	for key, header := range wire.EncodedHeaders(encoded) {
		if !hasHeader(replaced, string(key)) {
			to = append(to, header...)
		}
	}
	return to
}

// hasHeader reports whether a header has the key, in any case of letters, as consumers read it.
func hasHeader(headers []topic.Header, key string) bool {
	for i := range headers {
		if strings.EqualFold(headers[i].Key, key) {
			return true
		}
	}
	return false
}

func isLibraryHeader(key string) bool {
	for _, h := range libraryHeaders {
		if strings.EqualFold(h, key) {
			return true
		}
	}
	return false
}

func checkHeader(key, value string) error {
	switch {
	case key == "":
		return fmt.Errorf("header with an empty key: %w", errHeader)
	case value == "":
		return fmt.Errorf("header %q has an empty value: %w", key, errHeader)
	case len(key) > 255:
		return fmt.Errorf("header key of %d bytes, the server's limit is 255: %w", len(key), iggyerr.ErrTooLarge)
	case len(value) > 255:
		return fmt.Errorf("header %q with a value of %d bytes, the server's limit is 255: %w", key, len(value), iggyerr.ErrTooLarge)
	}
	return nil
}

// errHeader is the cause of a refused header.
var errHeader = errors.New("iggy: keys and values of headers have 1 to 255 bytes, and content-type, message-type, content-encoding, partition-key and the trace context occur once")
