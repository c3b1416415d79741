// Package config is what YAML can say about a FetchBox service's use of Iggy:
// the structs, their defaults, the layers (defaults, file, environment), the
// validation and the secrets. What YAML can't say is an option of a constructor.
package config

//go:generate go run ../internal/configdoc/generate
