package config

import (
	"fmt"
	"reflect"
)

// Option is an option of Load.
type Option func(*loader)

// WithFile sets the path of the YAML file, which must exist and have at most 1 MiB. It may be a
// pipe. An empty path is the same as no option: FETCHBOX_CONFIG names the file.
func WithFile(path string) Option {
	return func(l *loader) { l.path = path }
}

// WithYAML uses data in place of a file; name is its path in errors.
func WithYAML(name string, data []byte) Option {
	return func(l *loader) { l.path, l.data, l.inMemory = name, data, true }
}

// WithEnviron replaces the environment of the process, in the form of os.Environ.
func WithEnviron(environ []string) Option {
	return func(l *loader) { l.environ = append([]string{}, environ...) }
}

// WithSection declares a section of the application. The section name of the file, and the
// variables FETCHBOX__NAME__KEY, are decoded over the struct to which target points; unknown keys
// are errors. Keys are yaml tags, or field names in lower case. Fields may be strings, numbers,
// booleans, durations, types that implement encoding.TextUnmarshaler, lists of these (separated by
// commas in a variable), maps of these by name, structs, and maps of structs, of which only the
// present entries can be set.
//
// When target has a method Validate() error, Load calls it and reports its error under the name of
// the section. It may join KeyErrors with keys relative to the section.
//
// The struct changes only when Load succeeds.
func WithSection(name string, target any) Option {
	return func(l *loader) {
		v := reflect.ValueOf(target)
		if v.Kind() != reflect.Pointer || v.IsNil() || kindOf(v.Type().Elem()) != kindSection {
			l.optionErrs = append(l.optionErrs, fmt.Errorf("config: section %q: the target must be a pointer to a struct, not %T", name, target))
			return
		}
		existing := map[string]struct{}{}
		for _, f := range fields(reflect.ValueOf(&l.config).Elem()) {
			existing[f.name] = struct{}{}
		}
		for other := range l.sections {
			existing[other] = struct{}{}
		}
		if err := declare("section", name, existing); err != nil {
			l.optionErrs = append(l.optionErrs, err)
			return
		}
		if err := checkSchema(name, v.Type().Elem()); err != nil {
			l.optionErrs = append(l.optionErrs, fmt.Errorf("config: section %w", err))
			return
		}
		l.sections[name] = &section{target: v, value: clone(v.Elem())}
	}
}

// WithConsumer declares another consumer, with the section consumers.NAME and the given defaults.
func WithConsumer(name string, defaults Consumer) Option {
	return func(l *loader) {
		if err := declare("consumer", name, l.config.Consumers); err != nil {
			l.optionErrs = append(l.optionErrs, err)
			return
		}
		l.config.Consumers[name] = defaults
	}
}

// WithCluster declares another cluster, with the section clusters.NAME and the given defaults
// (DefaultCluster, for example). The section has the keys iggy, producer, consumers and topics, and
// inherits nothing from the top level. Consumers that the application declares on the cluster are
// in defaults.Consumers.
func WithCluster(name string, defaults Cluster) Option {
	return func(l *loader) {
		if err := declare("cluster", name, l.config.Clusters); err != nil {
			l.optionErrs = append(l.optionErrs, err)
			return
		}
		for consumer := range defaults.Consumers {
			if err := declare("consumer", consumer, map[string]Consumer{}); err != nil {
				l.optionErrs = append(l.optionErrs, fmt.Errorf("cluster %q: %w", name, err))
				return
			}
		}
		if l.config.Clusters == nil {
			l.config.Clusters = map[string]Cluster{}
		}
		l.config.Clusters[name] = clone(reflect.ValueOf(&defaults).Elem()).Interface().(Cluster)
	}
}

// WithOverride calls override after the other layers and before the validation, for flags of a
// command line, or for defaults that depend on other values and their sources. Its error is joined
// to that of Load. Several overrides are called in the order of the options.
func WithOverride(override func(c *Config, from Sources) error) Option {
	return func(l *loader) { l.overrides = append(l.overrides, override) }
}
