package producer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// headerParts describes how many bytes of the encoded headers are the message's own, and how many
// the library added.
func headerParts(headers []byte) string {
	library := []string{
		topic.HeaderContentType, topic.HeaderMessageType, topic.HeaderContentEncoding, topic.HeaderTraceParent, topic.HeaderTraceState,
	}
	sizes := map[string]int{}
	own := 0
	_ = wire.RangeHeaders(headers, func(key, value string) bool {
		if n := wire.HeaderSize(key, value); slices.Contains(library, key) {
			sizes[key] += n
		} else {
			own += n
		}
		return true
	})
	text := fmt.Sprintf("the message's own %d", own)
	for _, key := range library {
		if n := sizes[key]; n > 0 {
			text += fmt.Sprintf(", %s %d", key, n)
		}
	}
	return text
}

// addHeaders appends user headers.
func (it *item) addHeaders(headers []topic.Header) error {
	if len(headers) == 0 {
		return nil
	}
	s := it.ownHeaders()
	for _, h := range headers {
		if err := checkHeader(h.Key, h.Value); err != nil {
			return err
		}
		s.headers = wire.AppendHeader(s.headers, h.Key, h.Value)
	}
	it.headers = s.headers
	return nil
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
var errHeader = errors.New("iggy: keys and values of headers have 1 to 255 bytes")
