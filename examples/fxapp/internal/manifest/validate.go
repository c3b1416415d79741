package manifest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// errorList collects what is wrong, up to a number that a reader can use.
type errorList []error

const maxFaults = 10

func (f *errorList) add(format string, args ...any) {
	if len(*f) < maxFaults {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func (m *Manifest) validate() error {
	var f errorList
	if m.Version != version {
		f.add("manifest_version: must be %q", version)
	}
	if m.Metadata == nil {
		f.add("metadata: must be an object")
	}
	if n := len(m.Resources); n == 0 || n > maxResources {
		f.add("resources: must be 1 to %d, not %d", maxResources, n)
	}
	if n := len(m.Tenant()); n > maxTenantBytes {
		f.add("metadata.tenant: must have at most %d bytes, not %d", maxTenantBytes, n)
	}
	if n := len(m.encodedAttributes()); n*len(m.Resources) > maxAttributesBytes {
		f.add("attributes: must have at most %d bytes with %d resources, not %d",
			maxAttributesBytes/len(m.Resources), len(m.Resources), n)
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

func (r *Resource) validate(at string, f *errorList) {
	switch {
	case r.ID == "":
		f.add("%s.id: must not be empty", at)
	case utf8.RuneCountInString(r.ID) > maxIDLength:
		f.add("%s.id: must have at most %d characters", at, maxIDLength)
	}
	if len(r.URL) > maxURLBytes {
		f.add("%s.url: must have at most %d bytes, not %d", at, maxURLBytes, len(r.URL))
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		f.add("%s.url: must be an http or https URL with a host", at)
	}
	if len(r.Headers) > maxHeaders {
		f.add("%s.headers: must be at most %d, not %d", at, maxHeaders, len(r.Headers))
	}
	lower := make(map[string]struct{}, len(r.Headers))
	for name, value := range r.Headers {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			f.add("%s.headers: a name must be an HTTP token", at)
			continue
		case !httpguts.ValidHeaderFieldValue(value):
			f.add("%s.headers[%s]: the value has characters that HTTP forbids", at, name)
		case len(name)+len(value) > maxHeaderBytes:
			f.add("%s.headers[%s]: must have at most %d bytes", at, name, maxHeaderBytes)
		}
		if _, ok := lower[strings.ToLower(name)]; ok {
			f.add("%s.headers[%s]: duplicate of a header in another case", at, name)
		}
		lower[strings.ToLower(name)] = struct{}{}
	}
}
