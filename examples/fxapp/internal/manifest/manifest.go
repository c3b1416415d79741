package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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

	offset int64 // of the token before the resource in the body
}

// UnmarshalJSONFrom decodes a resource and keeps its offset.
func (r *Resource) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	// The offset is that of the token before; the comma and the white space are still to come.
	offset := d.InputOffset()
	type fields Resource
	if err := jsonv2.UnmarshalDecode(d, (*fields)(r)); err != nil {
		return err
	}
	r.offset = offset
	return nil
}

// Parse decodes and validates a manifest. The error lists all violations, up to a limit, each with
// its line and its path. A key that an object has twice is an error, since decoders differ in which
// value they use.
func Parse(body []byte) (*Manifest, error) {
	if isTooDeep(body) {
		return nil, fmt.Errorf("the manifest is nested deeper than %d objects and arrays", maxDepth)
	}
	var m Manifest
	d := jsontext.NewDecoder(bytes.NewReader(body))
	err := jsonv2.UnmarshalDecode(d, &m,
		jsonv2.RejectUnknownMembers(true), jsonv2.MatchCaseInsensitiveNames(true))
	if err != nil {
		return nil, decodeError(body, err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the manifest is followed by other data")
	}
	if err := m.validate(body); err != nil {
		return nil, err
	}
	return &m, nil
}

// Tenant returns metadata.tenant if it is a string.
func (m *Manifest) Tenant() string {
	var tenant string
	_ = json.Unmarshal(m.Metadata["tenant"], &tenant)
	return tenant
}
