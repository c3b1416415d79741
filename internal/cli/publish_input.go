package cli

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// messageReader reads the messages that publish sends.
type messageReader struct {
	topic   topic.Topic[[]byte]
	format  string
	types   *messageTypes
	chosen  protoreflect.MessageType // the type of all payloads, which are given as JSON; nil: none
	headers []topic.Header           // of all messages
	// key and partition are those of all messages, in place of their own.
	key       string
	partition producer.Partition

	ignorePartition    bool // of the messages themselves
	compression        config.Compression
	compressionMinSize int
}

// messages reads messages in the chosen format.
func (r *messageReader) messages(in io.Reader) iter.Seq2[producer.Message, error] {
	switch r.format {
	case inputLines:
		return r.lines(in)
	case inputJSON:
		return readJSON(in, r.decode)
	}
	return func(yield func(producer.Message, error) bool) { yield(r.whole(in)) }
}

// whole reads one payload.
func (r *messageReader) whole(in io.Reader) (producer.Message, error) {
	limit := iggyerr.MaxPayloadBytes
	if r.chosen != nil {
		limit = maxMessageJSON
	}
	text, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	if err != nil {
		return producer.Message{}, err
	}
	if len(text) > limit {
		return producer.Message{}, fmt.Errorf("longer than %d bytes; --format says whether it holds several messages", limit)
	}
	return r.given(text)
}

// lines reads a payload from each line.
func (r *messageReader) lines(in io.Reader) iter.Seq2[producer.Message, error] {
	return func(yield func(producer.Message, error) bool) {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, maxMessageJSON)
		n := 0
		for lines.Scan() {
			n++
			m, err := r.given(lines.Bytes())
			if err != nil {
				err = fmt.Errorf("line %d: %w", n, err)
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			yield(producer.Message{}, fmt.Errorf("line %d: %w", n+1, errTooLong))
		} else if err != nil {
			yield(producer.Message{}, err)
		}
	}
}

// given is the message with a payload: as it is, or as the JSON of the chosen type.
func (r *messageReader) given(text []byte) (producer.Message, error) {
	if r.chosen == nil {
		return r.message(inputPayload{bytes: text})
	}
	payload, err := r.protobuf(text, r.chosen)
	if err != nil {
		return producer.Message{}, errors.New(protoError(err))
	}
	return r.message(payload)
}

// inputView is a message in JSON. Fields that only the server sets are accepted and have no effect.
type inputView struct {
	messageView
	Partition *uint32 `json:"partition"`
	Key       string  `json:"key"`
}

// decode decodes a message in JSON.
func (r *messageReader) decode(raw []byte) (producer.Message, error) {
	var v inputView
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		var mismatch *json.UnmarshalTypeError
		if errors.As(err, &mismatch) && mismatch.Field != "" {
			err = fmt.Errorf("%s can't be a JSON %s", mismatch.Field, mismatch.Value)
		} else if mismatch != nil {
			err = fmt.Errorf("a message must be a JSON object, not a JSON %s", mismatch.Value)
		}
		return producer.Message{}, err
	}
	if v.Error != "" {
		return producer.Message{}, fmt.Errorf("the payload could not be decoded when the message was read: %s", v.Error)
	}
	payload, err := r.payload(v)
	if err != nil {
		return producer.Message{}, err
	}
	if v.Key == "" && r.ignorePartition {
		v.Key = storedKey(v.Headers)
	}
	opts := []producer.PublishOption{producer.WithKey(v.Key)}
	if v.Partition != nil && r.key == "" && !r.ignorePartition {
		opts = append(opts, producer.WithPartition(*v.Partition))
	}
	if v.ID != "" {
		id, err := uuid.Parse(v.ID)
		if err != nil {
			return producer.Message{}, fmt.Errorf("id %q is no UUID", v.ID)
		}
		opts = append(opts, producer.WithID(id))
	}
	return r.message(payload, append(opts, producer.WithHeaders(without(v.Headers, r.headers)...))...)
}

// payload is the payload of a message in JSON.
func (r *messageReader) payload(v inputView) (inputPayload, error) {
	form := v.PayloadForm
	var text string
	isText := json.Unmarshal(v.Payload, &text) == nil && !bytes.Equal(bytes.TrimSpace(v.Payload), []byte("null"))
	switch {
	case v.Payload == nil:
		return inputPayload{}, errors.New("there is no payload")
	case r.chosen != nil && (form == "" || form == payloadJSON):
		form = payloadProtobuf
	case form == "" && isText:
		form = payloadText
	case form == "":
		form = payloadJSON
	}
	switch form {
	case payloadText, payloadHex:
		if !isText {
			return inputPayload{}, fmt.Errorf("a payload with the payload_form %s must be a text", form)
		}
		if form == payloadText {
			return inputPayload{bytes: []byte(text)}, nil
		}
		decoded, err := hex.DecodeString(text)
		if err != nil {
			return inputPayload{}, errors.New("the payload is not in hex")
		}
		return inputPayload{bytes: decoded}, nil
	case payloadJSON:
		line, err := compactJSON(v.Payload)
		return inputPayload{bytes: line, contentType: "application/json"}, err
	case payloadProtobuf:
		typ := r.chosen
		if typ == nil {
			var err error
			if typ, err = r.typeOf(v.Headers); err != nil {
				return inputPayload{}, err
			}
		}
		return r.protobuf(v.Payload, typ)
	}
	return inputPayload{}, fmt.Errorf("payload_form must be %s, not %q", joinWithOr(payloadForms[1:]), form)
}

// typeOf is the protobuf type that the headers of a message name.
func (r *messageReader) typeOf(headers []topic.Header) (protoreflect.MessageType, error) {
	for _, h := range headers {
		if strings.EqualFold(h.Key, topic.HeaderMessageType) {
			typ, err := r.types.FindMessageByName(protoreflect.FullName(h.Value))
			if err != nil {
				return nil, fmt.Errorf("the type %s is not known: --proto names the file with it", h.Value)
			}
			return typ, nil
		}
	}
	return nil, errors.New("it has no header message-type: --type says which type it is")
}

// inputPayload is an encoded payload, and the headers that describe it; empty ones are left out.
type inputPayload struct {
	bytes                    []byte
	contentType, messageType string
}

// protobuf encodes a payload that is given as protobuf's JSON.
func (r *messageReader) protobuf(text []byte, typ protoreflect.MessageType) (inputPayload, error) {
	value := typ.New().Interface()
	if err := (protojson.UnmarshalOptions{Resolver: r.types}).Unmarshal(text, value); err != nil {
		return inputPayload{}, err
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(value)
	return inputPayload{encoded, "application/x-protobuf", string(typ.Descriptor().FullName())}, err
}

// message is the message with a payload. The options of the flags come after those of the message.
func (r *messageReader) message(p inputPayload, opts ...producer.PublishOption) (producer.Message, error) {
	opts = append(opts, producer.WithHeaders(r.headers...))
	if r.key != "" {
		opts = append(opts, producer.WithKey(r.key))
	}
	if id, ok := r.partition.ID(); ok {
		opts = append(opts, producer.WithPartition(id))
	}
	m, err := producer.Encode(r.topic, p.bytes, opts...)
	if err != nil {
		return m, err
	}
	for _, h := range []topic.Header{{Key: topic.HeaderContentType, Value: p.contentType}, {Key: topic.HeaderMessageType, Value: p.messageType}} {
		if h.Value != "" && len(without([]topic.Header{h}, m.Headers)) == 1 {
			m.Headers = append(m.Headers, h)
		}
	}
	err = r.compress(&m)
	return m, err
}

// compress compresses the payload where that makes the message smaller, as publishers do.
func (r *messageReader) compress(m *producer.Message) error {
	encoded := topic.Header{Key: topic.HeaderContentEncoding, Value: string(r.compression)}
	if r.compression == "" || r.compression == config.CompressionNone || len(m.Payload) < r.compressionMinSize || len(without([]topic.Header{encoded}, m.Headers)) == 0 {
		return nil
	}
	compressed, err := encoding.Append(nil, r.compression, m.Payload)
	if err != nil {
		return err
	}
	if len(compressed)+len(encoded.Key)+len(encoded.Value) < len(m.Payload) {
		m.Payload, m.Headers = compressed, append(m.Headers, encoded)
	}
	return nil
}

// storedKey is the key that is stored with a message.
func storedKey(headers []topic.Header) string {
	for _, h := range headers {
		if strings.EqualFold(h.Key, topic.HeaderPartitionKey) {
			return h.Value
		}
	}
	return ""
}

// without is the headers without those whose keys, in any case of letters, are in replaced.
func without(headers, replaced []topic.Header) []topic.Header {
	return slices.DeleteFunc(slices.Clone(headers), func(h topic.Header) bool {
		return slices.ContainsFunc(replaced, func(r topic.Header) bool { return strings.EqualFold(r.Key, h.Key) })
	})
}
