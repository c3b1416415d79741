package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// The limits of a manifest.
const (
	// MaxBytes is the largest manifest, unpacked.
	MaxBytes = 5_000_000
	// MaxResources is the largest number of resources.
	MaxResources = 1000
	// MaxIDLength is the longest id of a resource, in characters.
	MaxIDLength = 128
	// MaxHeaders is the largest number of headers of a resource.
	MaxHeaders = 10
	// MaxHeaderBytes is the largest header, name and value together.
	MaxHeaderBytes = 1024
	// MaxTenantBytes is the longest metadata.tenant.
	MaxTenantBytes = 1024
	// MaxSharedBytes bounds the attributes times the resources, since each task carries
	// the attributes: a small manifest must not become gigabytes of tasks.
	MaxSharedBytes = 16_000_000

	version = "v1"
)

// Manifest is a job as it is submitted.
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

// Parse reads and validates a manifest. Every fault is in the error, up to a
// few, each with its place.
func Parse(body []byte) (*Manifest, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("the manifest is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var m Manifest
	if err := d.Decode(&m); err != nil {
		return nil, decodeError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the manifest is followed by something else")
	}
	if err := m.validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

// decodeError says in the manifest's terms what encoding/json says in Go's.
func decodeError(err error) error {
	var typ *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the manifest is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the manifest ends in the middle")
	case errors.As(err, &typ) && typ.Field != "":
		return fmt.Errorf("%s: must not be a JSON %s", typ.Field, typ.Value)
	case errors.As(err, &typ):
		return fmt.Errorf("the manifest must be a JSON object, not a %s", typ.Value)
	}
	return fmt.Errorf("the manifest is not valid: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// faults collects what is wrong, up to a number that a reader can use.
type faults []error

const maxFaults = 10

func (f *faults) add(format string, args ...any) {
	if len(*f) < maxFaults {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func (m *Manifest) validate() error {
	var f faults
	if m.Version != version {
		f.add("manifest_version: must be %q", version)
	}
	if m.Metadata == nil {
		f.add("metadata: must be an object")
	}
	if n := len(m.Resources); n == 0 || n > MaxResources {
		f.add("resources: must be 1 to %d, not %d", MaxResources, n)
	}
	if n := len(m.Tenant()); n > MaxTenantBytes {
		f.add("metadata.tenant: must have at most %d bytes, not %d", MaxTenantBytes, n)
	}
	if n := len(m.extra()); n*len(m.Resources) > MaxSharedBytes {
		f.add("attributes: must have at most %d bytes with %d resources, not %d", MaxSharedBytes/len(m.Resources), len(m.Resources), n)
	}
	seen := make(map[string]int, len(m.Resources))
	for i := range m.Resources {
		r := &m.Resources[i]
		at := fmt.Sprintf("resources[%d]", i)
		r.validate(at, &f)
		if first, ok := seen[r.ID]; ok && r.ID != "" {
			f.add("%s.id: is the same as that of resources[%d]", at, first)
			continue
		}
		seen[r.ID] = i
	}
	return errors.Join(f...)
}

func (r *Resource) validate(at string, f *faults) {
	switch {
	case r.ID == "":
		f.add("%s.id: must not be empty", at)
	case utf8.RuneCountInString(r.ID) > MaxIDLength:
		f.add("%s.id: must have at most %d characters", at, MaxIDLength)
	}
	if u, err := url.Parse(r.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		f.add("%s.url: must be an http or https URL with a host", at)
	}
	if len(r.Headers) > MaxHeaders {
		f.add("%s.headers: must be at most %d, not %d", at, MaxHeaders, len(r.Headers))
	}
	lower := make(map[string]struct{}, len(r.Headers))
	for name, value := range r.Headers {
		switch {
		case !isToken(name):
			f.add("%s.headers: a name must be a token of HTTP", at)
			continue
		case !isFieldValue(value):
			f.add("%s.headers[%s]: the value holds characters that HTTP forbids", at, name)
		case len(name)+len(value) > MaxHeaderBytes:
			f.add("%s.headers[%s]: must have at most %d bytes", at, name, MaxHeaderBytes)
		}
		if _, ok := lower[strings.ToLower(name)]; ok {
			f.add("%s.headers[%s]: is there twice, in other letters", at, name)
		}
		lower[strings.ToLower(name)] = struct{}{}
	}
}

// isToken tells whether s is a token by RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// isFieldValue tells whether s has no control characters but tabs, as RFC
// 9110, section 5.5, asks for.
func isFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// Job is what all tasks of a job share.
type Job struct {
	ID, Type, ManifestKey, TraceID string
}

// Tenant is metadata.tenant, when that is a string.
func (m *Manifest) Tenant() string {
	var tenant string
	_ = json.Unmarshal(m.Metadata["tenant"], &tenant)
	return tenant
}

// extra is the attributes as JSON, nil when there are none.
func (m *Manifest) extra() []byte {
	if len(m.Attributes) == 0 {
		return nil
	}
	extra, _ := json.Marshal(m.Attributes) // of RawMessages that were decoded before
	return extra
}

// Tasks are the job's download tasks, one per resource in the manifest's
// order. The manifest's attributes go along as JSON.
func (m *Manifest) Tasks(job Job) []*jobspb.DownloadTask {
	extra := m.extra()
	tenant := m.Tenant()
	tasks := make([]*jobspb.DownloadTask, len(m.Resources))
	for i, r := range m.Resources {
		task := &jobspb.DownloadTask{
			JobId: job.ID, JobType: job.Type, ResourceId: r.ID, Url: r.URL,
			ManifestKey: job.ManifestKey, Tenant: tenant, TraceId: job.TraceID,
		}
		if len(r.Tags) > 0 || extra != nil {
			task.Attributes = &jobspb.TaskAttributes{Tags: r.Tags, Extra: extra}
		}
		for name, value := range r.Headers {
			task.Headers = append(task.Headers, &jobspb.HttpHeader{Name: strings.ToLower(name), Value: value})
		}
		slices.SortFunc(task.Headers, func(a, b *jobspb.HttpHeader) int { return strings.Compare(a.Name, b.Name) })
		tasks[i] = task
	}
	return tasks
}
