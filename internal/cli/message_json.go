package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// messageView is a message in JSON, as tail prints it and publish reads it.
type messageView struct {
	Partition uint32    `json:"partition"`
	Offset    uint64    `json:"offset"`
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Headers   headerMap `json:"headers,omitempty"`
	// PayloadForm is text, json, hex or protobuf. In the last case the payload is protobuf's JSON.
	PayloadForm string          `json:"payload_form,omitempty"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	// Error is why the payload could not be decoded. The payload is then in hex as it is stored, or
	// missing.
	Error string `json:"error,omitempty"`
}

func newMessageView(m message, payload decodedPayload, fault error) (messageView, error) {
	v := messageView{
		Partition: m.partition, Offset: m.offset, ID: uuid.UUID(m.id).String(), Timestamp: m.timestamp,
		Headers: headerMap{}, PayloadForm: payload.form, Payload: payload.json,
	}
	for _, h := range m.headers {
		if h.Key != topic.HeaderContentEncoding || m.fault != nil { // otherwise it is decompressed
			v.Headers[h.Key] = append(v.Headers[h.Key], h.Value)
		}
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

// headerMap is the user headers of a message: in JSON a text for each, or a list of texts for one that
// occurs several times.
type headerMap map[string][]string

// MarshalJSON implements json.Marshaler.
func (h headerMap) MarshalJSON() ([]byte, error) {
	all := make(map[string]any, len(h))
	for key, values := range h {
		if all[key] = values; len(values) == 1 {
			all[key] = values[0]
		}
	}
	return encodeJSON(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *headerMap) UnmarshalJSON(text []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*h = headerMap{}
	for key, raw := range all {
		var one string
		var several []string
		if json.Unmarshal(raw, &one) == nil {
			several = []string{one}
		} else if json.Unmarshal(raw, &several) != nil {
			return fmt.Errorf("header %q must be a text or a list of texts", key)
		}
		(*h)[key] = several
	}
	return nil
}
