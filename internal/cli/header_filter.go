package cli

import (
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// headerFilter selects messages by their user headers.
type headerFilter []headerCondition

// headerCondition is a header that a message must have, with a value unless any will do.
type headerCondition struct {
	key, value string
	any        bool
}

// parseHeaderFilter parses the values of --filter.
func parseHeaderFilter(texts []string) (headerFilter, error) {
	var f headerFilter
	for _, text := range texts {
		key, value, found := strings.Cut(text, "=")
		if key == "" {
			return nil, usagef("--filter must be header=value, or header for any value, not %q", text)
		}
		f = append(f, headerCondition{key, value, !found})
	}
	return f, nil
}

// matches reports whether a message has all headers. Keys are compared in any case of letters.
func (f headerFilter) matches(m message) bool {
	for _, c := range f {
		if !slices.ContainsFunc(m.headers, c.matches) {
			return false
		}
	}
	return true
}

func (c headerCondition) matches(h topic.Header) bool {
	return strings.EqualFold(h.Key, c.key) && (c.any || h.Value == c.value)
}
