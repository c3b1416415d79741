// Package configdoc generates jobs/fetchbox.example.yaml and docs/configuration.md from the
// structs of package config: the keys and defaults from the values, the descriptions from the
// comments.
package configdoc
