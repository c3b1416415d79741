package deadletter

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The user headers of a dead letter with the origin and the failure of its message. Headers without
// a value are left out.
const (
	// headerOriginStream is the stream of the message.
	headerOriginStream = "origin-stream"
	// headerOriginTopic is the topic of the message.
	headerOriginTopic = "origin-topic"
	// headerOriginPartition is the message's partition, in decimal.
	headerOriginPartition = "origin-partition"
	// headerOriginOffset is the message's offset, in decimal.
	headerOriginOffset = "origin-offset"
	// headerOriginID is the message's id, in the form of a UUID.
	headerOriginID = "origin-id"
	// headerOriginGroup is the consumer group that gave the message up.
	headerOriginGroup = "origin-group"
	// headerOriginTimestamp is when the server stored the message, in RFC 3339.
	headerOriginTimestamp = "origin-timestamp"
	// headerOriginKey is the partition key that the consumer has found.
	headerOriginKey = "origin-key"
	// headerFailureCode is the failure code.
	headerFailureCode = "failure-code"
	// headerFailureCause is the beginning of the error.
	headerFailureCause = "failure-cause"
	// headerFailureTimestamp is when the message was given up, in RFC 3339.
	headerFailureTimestamp = "failure-timestamp"
	// headerFailureAttempts is the number of deliveries, in decimal. It is the last of these headers,
	// and there always is one: the message's own headers begin after it.
	headerFailureAttempts = "failure-attempts"
)

// The user headers of a dead letter that does not hold the whole message, since the server's limits
// leave no room for it.
const (
	// HeaderPayloadBytes is the size of the message's payload in bytes, in decimal.
	HeaderPayloadBytes = "origin-payload-bytes"
	// headerOmitted is how many of the message's own headers the dead letter lacks, in decimal.
	headerOmitted = "origin-headers-omitted"
)

// HeaderReplayOf is the header of a message that was published again. It names the dead letter as
// TOPIC/PARTITION/OFFSET; its topic is in the stream of the message.
const HeaderReplayOf = "replay-of"

// headers are the keys of the headers of a dead letter, without those of its message.
var headers = []string{
	headerOriginStream, headerOriginTopic, headerOriginPartition, headerOriginOffset, headerOriginID, headerOriginGroup,
	headerOriginTimestamp, headerOriginKey, headerFailureCode, headerFailureCause, headerFailureTimestamp, HeaderPayloadBytes,
	headerOmitted, headerFailureAttempts,
}

// IsHeader reports whether a header with that key, in any case of letters, describes a dead letter,
// and does not belong to its message.
func IsHeader(key string) bool {
	return slices.ContainsFunc(headers, func(h string) bool { return strings.EqualFold(h, key) })
}

// maxHeaderValue is the largest size of the value of a user header in bytes.
const maxHeaderValue = 255

// Headers returns the user headers of a dead letter that describe the origin and the failure of its
// message, which was given up at the given time. Texts are truncated to what a header holds, and made
// valid UTF-8. They are for dead letters in a format of their own; a Sink writes them itself.
func Headers[T any](f topic.Failure[T], at time.Time) []topic.Header { return describe(f, at) }

// describe is Headers, with more headers before the last one.
func describe[T any](f topic.Failure[T], at time.Time, more ...topic.Header) []topic.Header {
	described := make([]topic.Header, 0, len(headers))
	add := func(key, value string) {
		if value = truncate(value, maxHeaderValue); value != "" {
			described = append(described, topic.Header{Key: key, Value: value})
		}
	}
	o := f.Origin
	add(headerOriginStream, o.Stream)
	add(headerOriginTopic, o.Topic)
	add(headerOriginPartition, strconv.FormatUint(uint64(o.Partition), 10))
	add(headerOriginOffset, strconv.FormatUint(o.Offset, 10))
	add(headerOriginID, uuid.UUID(o.ID).String())
	add(headerOriginGroup, o.Group)
	add(headerOriginTimestamp, formatTime(o.Timestamp))
	add(headerOriginKey, f.Key)
	code := f.Code
	if code == "" {
		code = topic.CodeOf(f.Err)
	}
	add(headerFailureCode, code)
	if f.Err != nil {
		add(headerFailureCause, f.Err.Error())
	}
	add(headerFailureTimestamp, formatTime(at))
	described = append(described, more...)
	add(headerFailureAttempts, strconv.Itoa(max(f.Attempts, 0)))
	return described
}

// OriginOf returns the origin of a dead letter's message from the user headers of the dead letter. It
// reports false when they don't have it, since another program wrote the dead letter.
func OriginOf(headers []topic.Header) (topic.Origin, bool) {
	values := make(map[string]string, len(headers))
	for _, h := range headers {
		if _, ok := values[h.Key]; !ok { // the message's own headers are behind those of the dead letter
			values[h.Key] = h.Value
		}
	}
	return originOf(values)
}

func originOf(values map[string]string) (topic.Origin, bool) {
	partition, err1 := strconv.ParseUint(values[headerOriginPartition], 10, 32)
	offset, err2 := strconv.ParseUint(values[headerOriginOffset], 10, 64)
	id, err3 := uuid.Parse(values[headerOriginID])
	if err1 != nil || err2 != nil || err3 != nil || values[headerOriginStream] == "" || values[headerOriginTopic] == "" {
		return topic.Origin{}, false
	}
	return topic.Origin{
		Stream: values[headerOriginStream], Topic: values[headerOriginTopic],
		Partition: uint32(partition), Offset: offset, ID: id,
		Group: values[headerOriginGroup], Timestamp: parseTime(values[headerOriginTimestamp]),
	}, true
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// parseTime returns the zero time for a text that is no time.
func parseTime(text string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text)
	return t
}

// truncate returns s as valid UTF-8 in at most limit bytes.
func truncate(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
