package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
)

// Option is an option of Load.
type Option func(*loader)

// WithPrefix sets the prefix of environment variables in place of DefaultPrefix. With the prefix
// SHOP, SHOP_CONFIG names the file and SHOP__SECTION__KEY sets a key.
func WithPrefix(prefix string) Option {
	return func(l *loader) {
		if !validPrefix.MatchString(prefix) {
			l.optionErrs = append(l.optionErrs, fmt.Errorf("config: prefix %q: must be letters and digits, with single underscores between them", prefix))
			return
		}
		l.prefix = prefix
	}
}

var validPrefix = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$`)

// WithFile sets the path of the YAML file, which must exist and have at most 1 MiB. It may be a
// pipe. An empty path is the same as no option: the variable PREFIX_CONFIG names the file. The last
// one of WithFile and WithYAML counts.
func WithFile(path string) Option {
	return func(l *loader) {
		if path != "" {
			l.path, l.data, l.inMemory = path, nil, false
		}
	}
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
// variables PREFIX__NAME__KEY, are decoded over the struct to which target points; unknown keys
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

// WithConsumer declares a consumer, with the section consumers.NAME and the given defaults:
// DefaultConsumer, or what the application changes in it.
func WithConsumer(name string, defaults Consumer) Option {
	return func(l *loader) {
		if err := declare("consumer", name, l.config.Consumers); err != nil {
			l.optionErrs = append(l.optionErrs, err)
			return
		}
		l.config.Consumers[name] = defaults
	}
}

// WithTopic declares a topic, with the section topics.NAME and the given defaults: DefaultTopic, or
// those of topic.Topic.Defaults.
func WithTopic(name string, defaults Topic) Option {
	return func(l *loader) {
		if err := declareTopic(name, l.config.Topics); err != nil {
			l.optionErrs = append(l.optionErrs, err)
			return
		}
		l.config.Topics.Declared[name] = defaults
	}
}

// declareTopic checks the name of a topic. Its section is beside the other keys of the section
// topics.
func declareTopic(name string, t Topics) error {
	existing := map[string]struct{}{}
	for _, f := range fields(reflect.ValueOf(t)) {
		existing[f.name] = struct{}{}
	}
	return declare("topic", name, existing)
}

// WithCluster declares another cluster, with the section clusters.NAME and the given defaults
// (DefaultCluster, for example). The section has the keys iggy, producer, consumers and topics, and
// inherits nothing from the top level. Consumers and topics that the application declares on the
// cluster are in defaults.Consumers and defaults.Topics.Declared.
func WithCluster(name string, defaults Cluster) Option {
	return func(l *loader) {
		if err := declare("cluster", name, l.config.Clusters); err != nil {
			l.optionErrs = append(l.optionErrs, err)
			return
		}
		var errs []error
		seen := Cluster{Consumers: map[string]Consumer{}, Topics: Topics{Declared: map[string]Topic{}}}
		for _, consumer := range slices.Sorted(maps.Keys(defaults.Consumers)) {
			errs = append(errs, declare("consumer", consumer, seen.Consumers))
			seen.Consumers[consumer] = Consumer{}
		}
		for _, topic := range slices.Sorted(maps.Keys(defaults.Topics.Declared)) {
			errs = append(errs, declareTopic(topic, seen.Topics))
			seen.Topics.Declared[topic] = Topic{}
		}
		if err := errors.Join(errs...); err != nil {
			l.optionErrs = append(l.optionErrs, fmt.Errorf("cluster %q: %w", name, err))
			return
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

// IgnoreUndeclared ignores the sections of a file, and the variables, that nobody has declared,
// where they may belong to other programs that share the file: those at the top level, and those
// of consumers, topics and clusters. It is for tools. A section that looks like a misspelling of
// one that the file lacks is an error nevertheless.
//
// Load calls report, which may be nil, with the key of each section and variable that it ignores:
// clusters.eu for example.
func IgnoreUndeclared(report func(key string)) Option {
	return func(l *loader) {
		l.ignoreUndeclared, l.reportIgnored = true, report
	}
}
