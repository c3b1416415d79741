// Package origin defines the form of copies of messages in other topics: dead letters and parked
// messages. A copy is the message byte for byte, after headers that say where the message was read and
// why it was copied. The last of these headers is always there, so the message's own headers can be told
// apart, whatever they are.
package origin

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The user headers with the origin of a copied message. Those without a value are left out.
const (
	// HeaderStream is the stream of the message.
	HeaderStream = "origin-stream"
	// headerTopic is the topic of the message.
	headerTopic = "origin-topic"
	// headerPartition is the message's partition, in decimal.
	headerPartition = "origin-partition"
	// headerOffset is the message's offset, in decimal.
	headerOffset = "origin-offset"
	// headerID is the message's id, in the form of a UUID.
	headerID = "origin-id"
	// headerGroup is the consumer group that read the message.
	headerGroup = "origin-group"
	// headerTimestamp is when the server stored the message, in RFC 3339.
	headerTimestamp = "origin-timestamp"
)

// Keys are the keys of the headers that Describe returns.
func Keys() []string {
	return []string{HeaderStream, headerTopic, headerPartition, headerOffset, headerID, headerGroup, headerTimestamp}
}

// Describe returns the headers with an origin.
func Describe(o topic.Origin) (headers []topic.Header) {
	headers = Append(headers, HeaderStream, o.Stream)
	headers = Append(headers, headerTopic, o.Topic)
	headers = Append(headers, headerPartition, strconv.FormatUint(uint64(o.Partition), 10))
	headers = Append(headers, headerOffset, strconv.FormatUint(o.Offset, 10))
	headers = Append(headers, headerID, uuid.UUID(o.ID).String())
	headers = Append(headers, headerGroup, o.Group)
	return Append(headers, headerTimestamp, FormatTime(o.Timestamp))
}

// maxValue is the largest size of the value of a user header in bytes.
const maxValue = 255

// Append appends a header. It truncates the value to what a header holds, makes it valid UTF-8, and
// leaves out an empty one.
func Append(headers []topic.Header, key, value string) []topic.Header {
	if value = Truncate(value, maxValue); value != "" {
		headers = append(headers, topic.Header{Key: key, Value: value})
	}
	return headers
}

// Parse returns the origin that the headers of a copy describe; false when they don't.
func Parse(values map[string]string) (topic.Origin, bool) {
	partition, err1 := strconv.ParseUint(values[headerPartition], 10, 32)
	offset, err2 := strconv.ParseUint(values[headerOffset], 10, 64)
	id, err3 := uuid.Parse(values[headerID])
	if err1 != nil || err2 != nil || err3 != nil || values[HeaderStream] == "" || values[headerTopic] == "" {
		return topic.Origin{}, false
	}
	return topic.Origin{
		Stream: values[HeaderStream], Topic: values[headerTopic],
		Partition: uint32(partition), Offset: offset, ID: id,
		Group: values[headerGroup], Timestamp: ParseTime(values[headerTimestamp]),
	}, true
}

// Encode returns the headers in their encoded form.
func Encode(headers []topic.Header) (encoded []byte) {
	for _, h := range headers {
		encoded = wire.AppendHeader(encoded, h.Key, h.Value)
	}
	return encoded
}

// Split returns the values of the headers that describe a copy, whose keys are given, and the encoded
// headers of its message. The former come first, and end with that of the last key. When another
// program has copied the copy and changed the order, the first header of each key describes it.
func Split(encoded []byte, keys []string) (values map[string]string, own []byte) {
	values = map[string]string{}
	for rest := encoded; ; {
		key, value, next, err := wire.NextHeader(rest)
		if _, repeated := values[key]; err != nil || repeated || !slices.Contains(keys, key) {
			break
		}
		values[key] = value
		if rest = next; key == keys[len(keys)-1] {
			if _, ok := Parse(values); ok {
				return values, rest
			}
			break // it is not the last one
		}
	}
	clear(values)
	for rest := encoded; len(rest) > 0; {
		key, value, next, err := wire.NextHeader(rest)
		if _, repeated := values[key]; err == nil && !repeated && slices.Contains(keys, key) {
			values[key] = value
		} else {
			own = append(own, rest[:len(rest)-len(next)]...)
		}
		rest = next
	}
	return values, own
}

// FormatTime returns a time for a header; empty for the zero time.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// ParseTime returns the time in a header, in UTC, and the zero time for a text that is no time.
func ParseTime(text string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text)
	return t.UTC()
}

// ID returns the message id that a text always has: a UUID of version 8, whose content is free. Ids are
// stored, and compared with those of other versions of this library: the texts never change.
func ID(text string) [16]byte {
	sum := sha256.Sum256([]byte(text))
	id := [16]byte(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Truncate returns s as valid UTF-8 in at most limit bytes.
func Truncate(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
