package producer

import (
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Message is one message on its way to a topic.
type Message struct {
	// Stream and Topic name the topic. It must exist.
	Stream, Topic string
	// Key chooses the partition when Partition is not set, as the server does
	// it: XXH32(Key) modulo the number of partitions. It has at most 255 bytes. The
	// empty key leaves the choice to the producer, which fills one partition's
	// batch after the other. The key itself is not stored: a consumer finds its own in the message, by
	// its topic's function (topic.Key); see WithKey.
	Key string
	// Partition is an explicit partition, made by OnPartition. The zero value
	// leaves the choice to Key.
	Partition Partition
	// ID is stored with the message and stays the same over all retries, so that
	// readers can recognize a duplicate. A UUIDv7 is made when it is zero.
	ID [16]byte
	// Payload is 1 to iggyerr.MaxPayloadBytes bytes. It is copied before the
	// call that sends it returns, so the caller may use the memory again.
	Payload []byte
	// Headers are the user headers. Keys and values have 1 to 255 bytes; together
	// they take at most iggyerr.MaxHeaderBytes encoded, with those that the library adds (content-type,
	// message-type, content-encoding and the trace context), for which some 700 bytes do. They are copied.
	Headers []topic.Header
}

// Partition is an explicit partition of a topic, or none. Partition ids start
// at 0, so they are not the numbers of this type: make one with OnPartition.
type Partition struct {
	next uint64 // the id plus one
}

// OnPartition is the partition with this id.
func OnPartition(id uint32) Partition { return Partition{next: uint64(id) + 1} }

// ID is the partition's id; ok is false when no partition was chosen.
func (p Partition) ID() (id uint32, ok bool) { return uint32(p.next - 1), p.next != 0 }

const maxKeyBytes = 255

// item is a message in the form in which it is appended to a batch.
type item struct {
	key       string
	partition Partition
	id        [16]byte
	payload   []byte
	headers   []byte // encoded
	owned     bool   // headers are the scratch's

	scratch *scratch // nil until it is needed
}

func (it *item) size() int { return wire.EncodedSize(len(it.payload), len(it.headers)) }

// check refuses what the server would refuse, before it is buffered. plain is
// the size of the payload before it was compressed.
func (it *item) check(plain int) error {
	switch {
	case plain == 0 || len(it.payload) == 0:
		return iggyerr.ErrEmptyPayload
	case len(it.payload) > iggyerr.MaxPayloadBytes:
		return fmt.Errorf("payload of %d bytes, the server's limit is %d: %w", len(it.payload), iggyerr.MaxPayloadBytes, iggyerr.ErrTooLarge)
	case len(it.headers) > iggyerr.MaxHeaderBytes:
		return fmt.Errorf("headers of %d bytes (%s), the server's limit is %d: %w", len(it.headers), headerParts(it.headers), iggyerr.MaxHeaderBytes, iggyerr.ErrTooLarge)
	case len(it.key) > maxKeyBytes:
		return fmt.Errorf("key of %d bytes, the server's limit is %d: %w", len(it.key), maxKeyBytes, iggyerr.ErrTooLarge)
	}
	return nil
}

// headerParts tells what takes how much of encoded headers: the message's own, and those that the library adds.
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

// add appends user headers.
func (it *item) add(headers []topic.Header) error {
	if len(headers) == 0 {
		return nil
	}
	s := it.own()
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
