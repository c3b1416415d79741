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
type errorList struct {
	body []byte
	errs []error
}

const maxFaults = 10

// add adds an error about the value at a path.
func (f *errorList) add(path, format string, args ...any) {
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, fmt.Errorf("%s: "+format, append([]any{path}, args...)...))
	}
}

// addAt adds an error about a key of a resource, with the line of the resource.
func (f *errorList) addAt(r *Resource, index int, key, format string, args ...any) {
	if len(f.errs) < maxFaults { // counting lines reads the body
		f.add(fmt.Sprintf("line %d: resources[%d].%s", lineOf(f.body, r.offset), index, key), format, args...)
	}
}

func (m *Manifest) validate(body []byte) error {
	f := errorList{body: body}
	if m.Version != version {
		f.add("manifest_version", "must be %q", version)
	}
	if m.Metadata == nil {
		f.add("metadata", "must be an object")
	}
	if n := len(m.Resources); n == 0 || n > maxResources {
		f.add("resources", "must be 1 to %d, not %d", maxResources, n)
	}
	if n := len(m.Tenant()); n > maxTenantBytes {
		f.add("metadata.tenant", "must have at most %d bytes, not %d", maxTenantBytes, n)
	}
	if n := len(m.encodedAttributes()); n*len(m.Resources) > maxAttributesBytes {
		f.add("attributes", "must have at most %d bytes with %d resources, not %d",
			maxAttributesBytes/len(m.Resources), len(m.Resources), n)
	}
	seen := make(map[string]int, len(m.Resources))
	for i := range m.Resources {
		r := &m.Resources[i]
		r.validate(i, &f)
		if first, ok := seen[r.ID]; ok && r.ID != "" {
			f.addAt(r, i, "id", "is the same as that of resources[%d]", first)
			continue
		}
		seen[r.ID] = i
	}
	return errors.Join(f.errs...)
}

func (r *Resource) validate(index int, f *errorList) {
	add := func(key, format string, args ...any) { f.addAt(r, index, key, format, args...) }
	switch {
	case r.ID == "":
		add("id", "must not be empty")
	case utf8.RuneCountInString(r.ID) > maxIDLength:
		add("id", "must have at most %d characters", maxIDLength)
	}
	if len(r.URL) > maxURLBytes {
		add("url", "must have at most %d bytes, not %d", maxURLBytes, len(r.URL))
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		add("url", "must be an http or https URL with a host")
	}
	if len(r.Headers) > maxHeaders {
		add("headers", "must be at most %d, not %d", maxHeaders, len(r.Headers))
	}
	lower := make(map[string]struct{}, len(r.Headers))
	for name, value := range r.Headers {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			add("headers", "a name must be an HTTP token")
			continue
		case !httpguts.ValidHeaderFieldValue(value):
			add("headers["+quoted(name)+"]", "the value has characters that HTTP forbids")
		case len(name)+len(value) > maxHeaderBytes:
			add("headers["+quoted(name)+"]", "must have at most %d bytes", maxHeaderBytes)
		}
		if _, ok := lower[strings.ToLower(name)]; ok {
			add("headers["+quoted(name)+"]", "duplicate of a header in another case")
		}
		lower[strings.ToLower(name)] = struct{}{}
	}
}
