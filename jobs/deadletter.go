package jobs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The user headers of a dead letter that describe a payload, beside those of package deadletter.
const (
	// headerOriginType is the content-type of a message that could not be decoded.
	headerOriginType = "origin-content-type"
	// headerOriginMessage is the message-type of a message that could not be decoded.
	headerOriginMessage = "origin-message-type"
	// headerOriginEncoding is the content-encoding of the payload in attributes.extra when it could
	// not be decompressed.
	headerOriginEncoding = "origin-content-encoding"
)

const (
	// maxHeaderValue is the largest size of the value of a user header in bytes.
	maxHeaderValue = 255
	// maxFailureMessage is the largest size of failure_message, which may have a stack, in bytes.
	maxFailureMessage = 8 << 10
	// maxPayload is the largest size of a payload in bytes, as in iggyerr.MaxPayloadBytes.
	maxPayload = 10_000_000
)

// NewDeadLetter returns the dead letter of a message that failed at the given time, and its user
// headers: the message's own, and those with its origin and cause, which replace headers of the
// same names. For a message that could not be decoded, the task has nothing but the payload, in
// attributes.extra.
//
// The result can always be published: texts are truncated and made valid UTF-8, and a truncated
// failure_message ends with the size of the text. A task with which
// the dead letter exceeds 10,000,000 bytes is replaced by the beginning of its payload, as if it
// could not be decoded, and the header origin-payload-bytes has the size of the payload. Headers of
// the message with which those of the dead letter exceed 98,000 bytes are left out.
func NewDeadLetter(f topic.Failure[*jobspb.DownloadTask], at time.Time) (*jobspb.DeadLetterTask, []topic.Header) {
	letter := &jobspb.DeadLetterTask{
		FailureCode: deadletter.Truncate(f.Code, maxHeaderValue),
		Attempts:    uint32(max(f.Attempts, 0)),
		FailedAtMs:  uint64(max(at.UnixMilli(), 0)),
	}
	if letter.FailureCode == "" {
		letter.FailureCode = topic.CodeOf(f.Err)
	}
	if f.Err != nil {
		letter.FailureMessage = failureMessage(f.Err)
	}
	if f.Decoded && f.Value != nil {
		letter.Task = f.Value
	} else {
		letter.Task = undecodedTask(f.Payload)
	}
	f.Code = letter.GetFailureCode()
	headers := append(deadletter.Headers(f, at), describedHeaders(f)...)
	if over := proto.Size(letter) - maxPayload; over > 0 {
		letter.FailureMessage = deadletter.Truncate(letter.GetFailureMessage(), max(len(letter.GetFailureMessage())-over, maxHeaderValue))
	}
	if proto.Size(letter) > maxPayload {
		headers = append(headers, topic.Header{Key: deadletter.HeaderPayloadBytes, Value: strconv.Itoa(len(f.Payload))})
		letter.Task = undecodedTask(f.Payload[:min(len(f.Payload), maxPayload-2*maxFailureMessage)])
	}
	return letter, appendOwnHeaders(headers, f.Headers)
}

// maxOwnHeaders is the largest size of the headers of a dead letter, without those that a producer
// adds: the server's limit is 100,000 bytes.
const maxOwnHeaders = 98_000

// appendOwnHeaders appends the headers of the message itself.
func appendOwnHeaders(headers, own []topic.Header) []topic.Header {
	size := 0
	for _, h := range headers {
		size += headerSize(h)
	}
	for _, h := range own {
		h.Value = deadletter.Truncate(h.Value, maxHeaderValue)
		if h.Key == "" || len(h.Key) > maxHeaderValue || !utf8.ValidString(h.Key) || h.Value == "" || isAddedHeader(h.Key) || isRepeated(headers, h.Key) {
			continue
		}
		if size += headerSize(h); size > maxOwnHeaders {
			break
		}
		headers = append(headers, h)
	}
	return headers
}

// isRepeated reports whether the headers have one with that key already, where a producer accepts only
// one.
func isRepeated(headers []topic.Header, key string) bool {
	switch key = strings.ToLower(key); key {
	case topic.HeaderTraceParent, topic.HeaderTraceState, topic.HeaderPartitionKey:
		return slices.ContainsFunc(headers, func(h topic.Header) bool { return strings.EqualFold(h.Key, key) })
	default:
		return false
	}
}

// headerSize is the encoded size of a header: lengths and kinds take 10 bytes.
func headerSize(h topic.Header) int { return 10 + len(h.Key) + len(h.Value) }

// isAddedHeader reports whether a header of a dead letter describes its payload, its origin or its
// failure.
func isAddedHeader(key string) bool {
	for added, origin := range originHeaders {
		if strings.EqualFold(key, added) || strings.EqualFold(key, origin) {
			return true
		}
	}
	return deadletter.IsHeader(key)
}

// OwnHeaders returns the headers that a message had before it became a dead letter, from the user
// headers of the dead letter: without those that the library sets. A message without a trace context
// has that of its dead letter.
func OwnHeaders(headers []topic.Header) (own []topic.Header) {
	for _, h := range headers {
		if !isAddedHeader(h.Key) {
			own = append(own, h)
		}
	}
	return own
}

// originHeaders maps the headers that describe a payload to their names in a dead letter.
var originHeaders = map[string]string{
	topic.HeaderContentType:     headerOriginType,
	topic.HeaderMessageType:     headerOriginMessage,
	topic.HeaderContentEncoding: headerOriginEncoding,
}

// PayloadOf returns the payload of a message that could not be decoded, and the headers that
// describe it, from its dead letter and the user headers of that. It reports false for a dead
// letter of a decoded message, and for a truncated payload.
func PayloadOf(letter *jobspb.DeadLetterTask, headers []topic.Header) (payload []byte, described []topic.Header, ok bool) {
	payload = letter.GetTask().GetAttributes().GetExtra()
	if len(payload) == 0 || !proto.Equal(letter.GetTask(), undecodedTask(payload)) {
		return nil, nil, false
	}
	for _, h := range headers {
		if h.Key == deadletter.HeaderPayloadBytes {
			return nil, nil, false
		}
		for key, origin := range originHeaders {
			if h.Key == origin {
				described = append(described, topic.Header{Key: key, Value: h.Value})
			}
		}
	}
	return payload, described, true
}

// undecodedTask returns the task in the dead letter of a message that could not be decoded.
func undecodedTask(payload []byte) *jobspb.DownloadTask {
	return &jobspb.DownloadTask{Attributes: &jobspb.TaskAttributes{Extra: payload}}
}

// describedHeaders returns the headers that describe the payload of a message that could not be
// decoded, under the names that they have in a dead letter.
func describedHeaders(f topic.Failure[*jobspb.DownloadTask]) (described []topic.Header) {
	if f.Decoded {
		return nil
	}
	for _, h := range f.Headers {
		if key, ok := originHeaders[h.Key]; ok && h.Value != "" {
			described = append(described, topic.Header{Key: key, Value: deadletter.Truncate(h.Value, maxHeaderValue)})
		}
	}
	return described
}

// failureMessage returns the text of err. What is cut off is replaced by the size of the text.
func failureMessage(err error) string {
	text := err.Error()
	size := fmt.Sprintf("… (%d bytes)", len(text))
	if len(text) <= maxFailureMessage {
		size = ""
	}
	return deadletter.Truncate(text, maxFailureMessage-len(size)) + size
}
