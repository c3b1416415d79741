package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The limits of a manifest.
const (
	// MaxBytes is the largest size of a manifest, after decompression.
	MaxBytes = 5_000_000
	// maxResources is the largest number of resources.
	maxResources = 1000
	// maxIDLength is the longest id of a resource, in characters.
	maxIDLength = 128
	// maxURLBytes is the longest URL of a resource.
	maxURLBytes = 16 << 10
	// maxHeaders is the largest number of headers of a resource.
	maxHeaders = 10
	// maxHeaderBytes is the largest size of a header, name and value together.
	maxHeaderBytes = 1024
	// maxTenantBytes is the largest size of metadata.tenant.
	maxTenantBytes = 1024
	// maxAttributesBytes bounds the size of the attributes times the number of resources. Each task
	// carries the attributes, and a small manifest must not become gigabytes of tasks.
	maxAttributesBytes = 16_000_000

	version = "v1"
)

// Manifest is a submitted job.
type Manifest struct {
	Version    string                     `json:"manifest_version"`
	Metadata   map[string]json.RawMessage `json:"metadata"`
	Resources  []Resource                 `json:"resources"`
	Attributes map[string]json.RawMessage `json:"attributes,omitempty"`
}

// Resource is one file to fetch.
type Resource struct {
	ID      string            `json:"id"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// Parse decodes and validates a manifest. The error lists all violations, up to a limit, each with
// its path.
func Parse(body []byte) (*Manifest, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("the manifest is not UTF-8")
	}
	if isTooDeep(body) {
		return nil, fmt.Errorf("the manifest is nested deeper than %d objects and arrays", maxDepth)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var m Manifest
	if err := d.Decode(&m); err != nil {
		return nil, decodeError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the manifest is followed by other data")
	}
	if err := m.validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

// decodeError describes an error of encoding/json in terms of the manifest.
func decodeError(err error) error {
	var typ *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the manifest is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the manifest is incomplete")
	case errors.As(err, &typ) && typ.Field != "":
		return fmt.Errorf("%s: must not be a JSON %s", typ.Field, typ.Value)
	case errors.As(err, &typ):
		return fmt.Errorf("the manifest must be a JSON object, not a %s", typ.Value)
	}
	return fmt.Errorf("the manifest is not valid: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// Tenant returns metadata.tenant if it is a string.
func (m *Manifest) Tenant() string {
	var tenant string
	_ = json.Unmarshal(m.Metadata["tenant"], &tenant)
	return tenant
}
