// Package config holds the configuration: its structs, defaults, layers (defaults, file,
// environment), validation and secrets. What YAML can't express, a logger for example, is an option
// of a constructor.
package config

//go:generate go run ../internal/configdoc/generate
