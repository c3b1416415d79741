package config

import (
	"fmt"
	"reflect"
)

// Option changes how Load works.
type Option func(*loader)

// WithFile names the YAML file, which must exist and have at most 1 MiB. It may be a pipe, which is read to its end. An empty path is as good as no
// option: FETCHBOX_CONFIG decides.
func WithFile(path string) Option {
	return func(l *loader) { l.path = path }
}

// WithYAML is a file's content; name stands for its path in errors. It takes
// the place of the file.
func WithYAML(name string, data []byte) Option {
	return func(l *loader) { l.path, l.data, l.inMemory = name, data, true }
}

// WithEnviron replaces the process's environment, as os.Environ gives it.
func WithEnviron(environ []string) Option {
	return func(l *loader) { l.environ = append([]string{}, environ...) }
}

// WithSection gives the application a section of its own: the file's section
// name, and the variables FETCHBOX__NAME__KEY, are decoded over the present
// values of the struct that target points to, as strictly as the rest. Keys are
// yaml tags, or field names in lower case. Fields may be strings, numbers,
// booleans, durations, whatever implements encoding.TextUnmarshaler, lists of these
// (separated by commas in a variable), maps of these by any name, structs, and maps of structs, of
// which only the entries that are already there can be set.
//
// When target has a method Validate() error, it is called, and what it
// returns is reported under the section's name; it may join KeyErrors whose keys
// are relative to the section.
//
// The struct changes only when Load succeeds.
func WithSection(name string, target any) Option {
	return func(l *loader) {
		v := reflect.ValueOf(target)
		if v.Kind() != reflect.Pointer || v.IsNil() || kindOf(v.Type().Elem()) != kindSection {
			l.misuse = append(l.misuse, fmt.Errorf("config: section %q: the target must be a pointer to a struct, not %T", name, target))
			return
		}
		taken := map[string]struct{}{}
		for _, f := range fields(reflect.ValueOf(&l.config).Elem()) {
			taken[f.name] = struct{}{}
		}
		for other := range l.sections {
			taken[other] = struct{}{}
		}
		if err := declare("section", name, taken); err != nil {
			l.misuse = append(l.misuse, err)
			return
		}
		if err := checkSchema(name, v.Type().Elem()); err != nil {
			l.misuse = append(l.misuse, fmt.Errorf("config: section %w", err))
			return
		}
		l.sections[name] = &section{target: v, value: clone(v.Elem())}
	}
}

// WithConsumer declares a further consumer: consumers.NAME is then a section, whose
// defaults are the given ones.
func WithConsumer(name string, defaults Consumer) Option {
	return func(l *loader) {
		if err := declare("consumer", name, l.config.Consumers); err != nil {
			l.misuse = append(l.misuse, err)
			return
		}
		l.config.Consumers[name] = defaults
	}
}

// WithCluster declares a further cluster: clusters.NAME is then a section with the
// keys iggy, producer, consumers and topics of its own, whose defaults are the given ones
// (mostly DefaultCluster). It takes nothing from the keys outside of it. Consumers that
// the application declares on that cluster are added to defaults.Consumers.
func WithCluster(name string, defaults Cluster) Option {
	return func(l *loader) {
		if err := declare("cluster", name, l.config.Clusters); err != nil {
			l.misuse = append(l.misuse, err)
			return
		}
		for consumer := range defaults.Consumers {
			if err := declare("consumer", consumer, map[string]Consumer{}); err != nil {
				l.misuse = append(l.misuse, fmt.Errorf("cluster %q: %w", name, err))
				return
			}
		}
		if l.config.Clusters == nil {
			l.config.Clusters = map[string]Cluster{}
		}
		l.config.Clusters[name] = clone(reflect.ValueOf(&defaults).Elem()).Interface().(Cluster)
	}
}

// WithOverride has the last word before the validation: flags of a command
// line, or a default that depends on what is configured, for which it learns
// where the values come from. Its error becomes part of Load's. Several are called in their order.
func WithOverride(override func(c *Config, from Sources) error) Option {
	return func(l *loader) { l.overrides = append(l.overrides, override) }
}
