package config

import "time"

// Secret is a text that is never shown: it prints as *** in every format, JSON,
// YAML and zap included. Reveal returns it.
type Secret string

// Bytes is a size in bytes. In YAML it is a number, or a number with a unit: 64MiB, 10MB.
type Bytes int64

// Retention is how long a topic keeps its records: 0 the server's default, -1
// for ever. In YAML it is a duration that accepts days, such as 7d.
type Retention time.Duration

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }
