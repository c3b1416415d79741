package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that is never shown: every verb of fmt, JSON, YAML, slog
// and zap print it as ***. Reveal returns it. The zero value is an empty
// secret, which means that none is set, and prints as nothing in JSON and YAML.
//
// The text is behind a pointer, since fmt prints an unexported field without
// asking its methods: a struct that merely holds a configuration must not give
// it away either. Secrets are therefore compared with Equal, not with ==.
type Secret struct {
	text *string
}

const hidden = "***"

// NewSecret hides text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal is the secret itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet tells whether there is a secret.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal tells whether both hide the same text.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// String is ***, and empty when no secret is set.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return hidden
}

// Format prints String for every verb.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String())
}

// LogValue shows String to slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText writes String. encoding/json, goccy/go-yaml and zap use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the secret itself. It keeps no reference to text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// UnmarshalJSON reads the secret itself from a JSON string. Its error does not
// quote the input.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		return errors.New("must be a string")
	}
	*s = NewSecret(text)
	return nil
}
