package deadletter

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/origin"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The user headers of a dead letter with the failure of its message. Those without a value are left
// out.
const (
	// headerOriginKey is the partition key that the consumer has found.
	headerOriginKey = "origin-key"
	// headerFailureCode is the failure code.
	headerFailureCode = "failure-code"
	// headerFailureCause is the beginning of the error.
	headerFailureCause = "failure-cause"
	// headerFailureTimestamp is when the message was given up, in RFC 3339.
	headerFailureTimestamp = "failure-timestamp"
	// headerFailureAttempts is the number of deliveries, in decimal. It is the last of these headers,
	// and there always is one.
	headerFailureAttempts = "failure-attempts"
)

// The user headers of a dead letter that does not hold the whole message, since the size limits
// leave no room for it.
const (
	// HeaderPayloadBytes is the size of the message's payload in bytes, in decimal.
	HeaderPayloadBytes = "origin-payload-bytes"
	// headerOmitted is how many of the message's own headers the dead letter lacks, in decimal.
	headerOmitted = "origin-headers-omitted"
)

// keys are the keys of the headers that describe a dead letter; the last one is always there.
var keys = append(origin.Keys(), headerOriginKey, headerFailureCode, headerFailureCause, headerFailureTimestamp,
	HeaderPayloadBytes, headerOmitted, headerFailureAttempts)

// IsHeader reports whether a header with that key, in any case of letters, describes a dead letter,
// and does not belong to its message.
func IsHeader(key string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) })
}

// Headers returns the user headers of a dead letter that describe the origin and the failure of its
// message, which was given up at the given time. Texts are truncated to what a header holds, and made
// valid UTF-8. They are for dead letters in a format of their own; a Sink writes them itself.
func Headers[T any](f topic.Failure[T], at time.Time) []topic.Header { return describe(f, at) }

// describe is Headers, with more headers before the last one.
func describe[T any](f topic.Failure[T], at time.Time, more ...topic.Header) []topic.Header {
	code, cause := f.Code, ""
	if code == "" {
		code = topic.CodeOf(f.Err)
	}
	if f.Err != nil {
		cause = f.Err.Error()
	}
	headers := origin.Describe(f.Origin)
	headers = origin.Append(headers, headerOriginKey, f.Key)
	headers = origin.Append(headers, headerFailureCode, code)
	headers = origin.Append(headers, headerFailureCause, cause)
	headers = origin.Append(headers, headerFailureTimestamp, origin.FormatTime(at))
	headers = append(headers, more...)
	return origin.Append(headers, headerFailureAttempts, strconv.Itoa(max(f.Attempts, 0)))
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
	return origin.Parse(values)
}

// Truncate returns s as valid UTF-8 in at most limit bytes: a header holds 255. It is for dead letters
// in a format of your own.
func Truncate(s string, limit int) string { return origin.Truncate(s, limit) }
