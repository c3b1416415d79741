// Package configdoc writes config/fetchbox.example.yaml and
// docs/configuration.md from the structs of package config: the keys and defaults
// from the values themselves, the meanings from the comments on the fields.
package configdoc
