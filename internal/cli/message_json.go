package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// messageView is a message in JSON, as tail prints it and publish reads it.
type messageView struct {
	Partition uint32     `json:"partition"`
	Offset    uint64     `json:"offset"`
	ID        string     `json:"id"`
	Timestamp time.Time  `json:"timestamp"`
	Headers   headerList `json:"headers,omitempty"`
	// PayloadForm is text, json, hex or protobuf. In the last case the payload is protobuf's JSON.
	PayloadForm string          `json:"payload_form,omitempty"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	// Error is why the payload could not be decoded. The payload is then in hex as it is stored, or
	// missing.
	Error string `json:"error,omitempty"`
}

func newMessageView(m message, payload decodedPayload, fault error) (messageView, error) {
	v := messageView{
		Partition: m.Partition, Offset: m.Offset, ID: uuid.UUID(m.ID).String(), Timestamp: m.Timestamp,
		Headers: m.headers, PayloadForm: payload.form, Payload: payload.json,
	}
	if m.fault == nil {
		v.Headers = v.Headers.without(topic.HeaderContentEncoding) // the payload is decompressed
	}
	if fault != nil {
		v.Error = oneLine(fault.Error())
	}
	var err error
	if payload.form != "" && payload.json == nil {
		v.Payload, err = encodeJSON(payload.text)
	}
	return v, err
}

// encodeJSON encodes a value on one line, with all characters as they are.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// headerList is the user headers of a message. In JSON it is an object in the order of the headers: with
// a text for each, or a list of texts for one that occurs several times.
type headerList []topic.Header

// without is the headers without those with a key.
func (h headerList) without(key string) headerList {
	return slices.DeleteFunc(slices.Clone(h), func(one topic.Header) bool { return strings.EqualFold(one.Key, key) })
}

// MarshalJSON implements json.Marshaler.
func (h headerList) MarshalJSON() ([]byte, error) {
	values := map[string][]string{}
	var keys []string
	for _, one := range h {
		if values[one.Key] == nil {
			keys = append(keys, one.Key)
		}
		values[one.Key] = append(values[one.Key], one.Value)
	}
	b := []byte{'{'}
	for i, key := range keys {
		var value any = values[key]
		if len(values[key]) == 1 {
			value = values[key][0]
		}
		name, err := encodeJSON(key)
		if err != nil {
			return nil, err
		}
		text, err := encodeJSON(value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, name...), ':'), text...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *headerList) UnmarshalJSON(text []byte) error {
	*h = nil
	decoder := json.NewDecoder(bytes.NewReader(text))
	if begin, err := decoder.Token(); err != nil || begin == nil {
		return err
	} else if begin != json.Delim('{') {
		return errors.New("headers must be an object")
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return err
		}
		var one string
		var several []string
		if json.Unmarshal(raw, &one) == nil {
			several = []string{one}
		} else if json.Unmarshal(raw, &several) != nil {
			return fmt.Errorf("header %q must be a text or a list of texts", key)
		}
		for _, value := range several {
			*h = append(*h, topic.Header{Key: key.(string), Value: value})
		}
	}
	return nil
}
