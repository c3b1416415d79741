// Package cloudevents has the codec of topics whose messages are CloudEvents, with the types of the
// official SDK for Go. It is a package of its own, so that only programs that import it link that SDK.
package cloudevents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding/spec"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

const (
	// prefix begins the headers of attributes.
	prefix = "ce_"
	// structured is the content-type of events that are JSON as a whole, and structuredPrefix begins
	// all of that kind.
	structured       = event.ApplicationCloudEventsJSON
	structuredPrefix = "application/cloudevents"
	// maxHeader is the largest size of the value of a header in bytes.
	maxHeader = 255
)

// versions are the versions of the specification, 1.0 and 0.3.
var versions = spec.WithPrefix(prefix)

// ErrNoEvent is returned for a message that is no CloudEvent. Consumers treat it as one that cannot be
// decoded.
var ErrNoEvent = errors.New("cloudevents: not a CloudEvent")

// Codec returns the codec of events in the binary mode: the data is the payload, datacontenttype the
// header content-type, and each other attribute a header ce_NAME, as in the Kafka protocol binding of
// CloudEvents. Iggy has no binding of its own.
//
// An event that this leaves no room for is in the structured mode, JSON as a whole with the
// content-type application/cloudevents+json: one without data, since Iggy accepts no empty payload,
// or with an attribute of no or more than 255 bytes. Both modes are decoded.
//
// An event that is not valid is neither encoded nor decoded. Attributes are visible to the server, also
// with topic.Encrypted, unless the keys of topic.OfficialFormat encrypt the headers.
func Codec() topic.Codec[event.Event] { return codec{} }

type codec struct{}

func (codec) Append(dst []byte, e event.Event) ([]byte, error) {
	binary, err := attributes(e)
	switch {
	case err != nil:
		return dst, err
	case binary != nil:
		return append(dst, e.Data()...), nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return dst, fmt.Errorf("cloudevents: encode event: %w", err)
	}
	return append(dst, b...), nil
}

// Headers implements topic.HeaderEncoder.
func (codec) Headers(e event.Event) ([]topic.Header, error) {
	binary, err := attributes(e)
	if err == nil && binary == nil {
		return []topic.Header{{Key: topic.HeaderContentType, Value: structured}}, nil
	}
	return binary, err
}

// attributes returns the headers of an event in the binary mode; nil when it must be in the structured
// mode.
func attributes(e event.Event) ([]topic.Header, error) {
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("cloudevents: encode event: %w", err)
	}
	version := versions.Version(e.SpecVersion())
	if len(e.Data()) == 0 || strings.HasPrefix(strings.ToLower(e.DataContentType()), structuredPrefix) {
		return nil, nil
	}
	fits := true
	var headers []topic.Header
	add := func(key string, value any) error {
		text, err := types.Format(value)
		headers = append(headers, topic.Header{Key: key, Value: text})
		fits = fits && len(text) > 0 && len(text) <= maxHeader && len(key) <= maxHeader
		return err
	}
	for _, a := range version.Attributes() {
		value := a.Get(e.Context)
		if value == nil {
			continue
		}
		key := a.PrefixedName()
		if a.Kind() == spec.DataContentType {
			key = topic.HeaderContentType
		}
		if err := add(key, value); err != nil {
			return nil, fmt.Errorf("cloudevents: encode attribute %s: %w", a.Name(), err)
		}
	}
	extensions := e.Extensions()
	for _, name := range slices.Sorted(maps.Keys(extensions)) {
		if err := add(prefix+name, extensions[name]); err != nil {
			return nil, fmt.Errorf("cloudevents: encode extension %s: %w", name, err)
		}
	}
	if !fits {
		return nil, nil
	}
	return headers, nil
}

func (codec) Decode(payload []byte, headers topic.Headers) (event.Event, error) {
	contentType := headers.Get(topic.HeaderContentType)
	if strings.HasPrefix(strings.ToLower(contentType), structuredPrefix) {
		return decodeStructured(payload, contentType)
	}
	name := headers.Get(versions.PrefixedSpecVersionName())
	version := versions.Version(name)
	switch {
	case name == "":
		return event.Event{}, fmt.Errorf("%w: there is neither a header %s nor the content-type %s", ErrNoEvent, versions.PrefixedSpecVersionName(), structured)
	case version == nil:
		return event.Event{}, fmt.Errorf("%w: specversion %q is not known", ErrNoEvent, name)
	}
	e := event.Event{Context: version.NewContext(), DataEncoded: bytes.Clone(payload)}
	if contentType != "" {
		if err := e.Context.SetDataContentType(contentType); err != nil {
			return event.Event{}, fmt.Errorf("%w: content-type: %w", ErrNoEvent, err)
		}
	}
	set := map[string]bool{}
	for h := range headers.All() {
		key := strings.ToLower(h.Key)
		if len(key) <= len(prefix) || !strings.HasPrefix(key, prefix) || set[key] {
			continue // of a header that is repeated, the first one counts, as everywhere
		}
		set[key] = true
		if err := version.SetAttribute(e.Context, key, h.Value); err != nil {
			return event.Event{}, fmt.Errorf("%w: header %s: %w", ErrNoEvent, h.Key, err)
		}
	}
	if err := e.Validate(); err != nil {
		return event.Event{}, fmt.Errorf("%w: %w", ErrNoEvent, err)
	}
	return e, nil
}

func decodeStructured(payload []byte, contentType string) (event.Event, error) {
	mediaType, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), structured) {
		return event.Event{}, fmt.Errorf("%w of the content-type %s: %q is not supported", ErrNoEvent, structured, contentType)
	}
	var e event.Event
	if err := json.Unmarshal(payload, &e); err != nil {
		return event.Event{}, &jsonError{err}
	}
	if err := e.Validate(); err != nil {
		return event.Event{}, &jsonError{err}
	}
	return e, nil
}

// jsonError is why an event in JSON could not be decoded. Its text quotes nothing of the payload.
type jsonError struct{ err error }

func (e *jsonError) Error() string   { return ErrNoEvent.Error() + ": the JSON is not a valid event" }
func (e *jsonError) Unwrap() []error { return []error{ErrNoEvent, e.err} }

func (codec) ContentType() string { return "" }
func (codec) MessageType() string { return "" }
