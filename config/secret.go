package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that is not printed: every verb of fmt, JSON, YAML, slog and zap print ***.
// Reveal returns the text. The zero value is no secret, and is printed as an empty text.
//
// The text is behind a pointer, since fmt does not call the methods of unexported fields and would
// print it with a struct that has a configuration in one. So secrets are compared with Equal, not
// with ==.
type Secret struct {
	text *string
}

const redacted = "***"

// NewSecret returns text as a secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether the text is not empty.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal reports whether both have the same text.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// String returns ***, or "" when no secret is set.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// Format prints String for every verb.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String())
}

// LogValue returns String for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns String. encoding/json, goccy/go-yaml and zap call it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets the text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// UnmarshalJSON sets the text from a JSON string. Its error does not quote the input.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		return errors.New("must be a string")
	}
	*s = NewSecret(text)
	return nil
}
