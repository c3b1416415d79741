package cli

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// maxDecompressed is the largest decompressed size of a payload in bytes.
const maxDecompressed = 64 << 20

// message is a stored message.
type message struct {
	topic.RawMessage
	headers []topic.Header
	payload []byte // decompressed, unless there is a fault
	fault   error  // why the payload could not be decompressed
}

func newMessage(raw topic.RawMessage) message {
	m := message{RawMessage: raw, payload: raw.Payload}
	m.fault = wire.RangeHeaders(raw.Headers, func(key, value string) bool {
		m.headers = append(m.headers, topic.Header{Key: key, Value: value})
		return true
	})
	if m.fault == nil {
		if payload, err := encoding.Decode(m.header(topic.HeaderContentEncoding), raw.Payload, maxDecompressed); err == nil {
			m.payload = payload
		} else {
			m.fault = err
		}
	}
	return m
}

// position is the place of the message in its topic: partition/offset.
func (m message) position() string { return fmt.Sprintf("%d/%d", m.Partition, m.Offset) }

// header is the value of the first header with a key, in any case of letters; empty without one.
func (m message) header(key string) string {
	for _, h := range m.headers {
		if strings.EqualFold(h.Key, key) {
			return h.Value
		}
	}
	return ""
}

// decode decodes the payload of a message.
func decode[T any](codec topic.Codec[T], m message) (T, error) {
	if m.fault != nil {
		var none T
		return none, m.fault
	}
	return codec.Decode(m.payload, topic.HeadersOf(m.headers...))
}

// rawCodec is the codec of messages that are read as they are stored.
type rawCodec struct{}

// DecodeRaw implements topic.RawDecoder.
func (rawCodec) DecodeRaw(m topic.RawMessage) (topic.RawMessage, error) {
	m.Payload, m.Headers = bytes.Clone(m.Payload), slices.Clone(m.Headers)
	return m, nil
}

var errRawOnly = errors.New("messages are read as they are stored, and not published")

func (rawCodec) Append(dst []byte, _ topic.RawMessage) ([]byte, error) { return dst, errRawOnly }

func (rawCodec) Decode([]byte, topic.Headers) (topic.RawMessage, error) {
	return topic.RawMessage{}, errRawOnly
}
func (rawCodec) ContentType() string { return "" }
func (rawCodec) MessageType() string { return "" }
