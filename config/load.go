package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Sources has the sources of all values other than defaults. The zero value has none.
type Sources struct {
	prefix string // of variables
	keys   map[string]Source
}

// Of returns the source of a key's value, and the zero Source for a key that nothing sets.
func (s Sources) Of(key string) Source { return s.keys[key] }

// Has reports whether a file or the environment sets the key, or any key below it.
func (s Sources) Has(key string) bool {
	if _, ok := s.keys[key]; ok {
		return true
	}
	for k := range s.keys {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// Locate returns err with the sources of its KeyErrors that have none. A key that nothing sets gets the
// variable that would set it. Locate is for the faults that Config.ValidateCluster finds after Load; an
// override gets the Sources (see WithOverride).
func (s Sources) Locate(err error) error {
	found := Faults(err)
	if len(found) == 0 {
		return err
	}
	all := make([]error, len(found))
	for i, fault := range found {
		located := *fault
		if located.Source == (Source{}) {
			located.Source = s.Of(fault.Key)
		}
		if s.prefix != "" && located.Source == (Source{}) {
			located.Source.Variable = Variable(s.prefix, fault.Key)
		}
		all[i] = &located
	}
	return errors.Join(all...)
}

// Load reads the configuration in layers, each over the one before: Default with what the options
// declare, the file of WithFile or of the variable IGGY_CONFIG if there is one, and the variables
// IGGY__SECTION__KEY. WithPrefix replaces IGGY. Then Load applies overrides and validates the
// result.
//
// The error joins all faults: unknown keys, invalid values, and those of Validate. Each is a
// KeyError with the key and the line or variable (see Faults). Load reads no file of a secret or a
// certificate: see Config.ValidateCluster. After an error, the Config is the
// zero value, and the sections of the application are unchanged.
func Load(opts ...Option) (Config, error) {
	l := &loader{config: Default(), prefix: DefaultPrefix, sources: Sources{keys: map[string]Source{}}, sections: map[string]*section{}}
	for i, opt := range opts {
		if opt == nil {
			return Config{}, fmt.Errorf("config: option %d of %d is nil", i+1, len(opts))
		}
		opt(l)
	}
	l.sources.prefix = l.prefix
	l.names = slices.Sorted(maps.Keys(l.sections))
	// These are faults of the program. The configuration can only be checked after they are fixed.
	if err := errors.Join(l.optionErrs...); err != nil {
		return Config{}, err
	}
	if err := l.load(); err != nil {
		return Config{}, err
	}
	for _, s := range l.sections {
		s.target.Elem().Set(s.value)
	}
	return l.config, nil
}

type loader struct {
	config     Config
	prefix     string // of variables
	path       string
	data       []byte
	inMemory   bool
	environ    []string
	sections   map[string]*section
	names      []string // of the sections, in order
	overrides  []func(*Config, Sources) error
	sources    Sources
	faults     []error
	optionErrs []error

	ignoreUndeclared bool
	reportIgnored    func(key string) // may be nil
	present          []string         // the keys at the top level of the file
}

// section is a section of the application.
type section struct {
	target reflect.Value // the application's pointer
	value  reflect.Value // a copy of the target, copied back after success
}

func (l *loader) load() error {
	root := l.root()
	if l.environ == nil {
		l.environ = os.Environ()
	}
	if !l.loadFile(root) {
		// What the file sets is unknown, so nothing true can be said about the rest.
		return errors.Join(l.faults...)
	}
	env := environmentLayer{prefix: l.prefix + separator, sources: l.sources.keys, ignored: l.ignoredVariable}
	env.apply(root, l.environ)
	l.faults = append(l.faults, env.faults...)
	l.collect(root)

	for _, override := range l.overrides {
		if err := override(&l.config, l.sources); err != nil {
			l.faults = append(l.faults, err)
		}
	}
	l.validate()
	return errors.Join(l.faults...)
}

// root returns a struct with the keys of Config and of the application's sections. It is made at
// run time, so that one walk decodes all of them.
func (l *loader) root() reflect.Value {
	config := reflect.TypeFor[Config]()
	all := []reflect.StructField{{Name: "Config", Type: config, Tag: `yaml:",inline"`}}
	for _, name := range l.names {
		all = append(all, reflect.StructField{
			Name: fmt.Sprintf("Section%d", len(all)),
			Type: l.sections[name].value.Type(),
			Tag:  reflect.StructTag(fmt.Sprintf("yaml:%q", name)),
		})
	}
	root := reflect.New(reflect.StructOf(all)).Elem()
	root.Field(0).Set(clone(reflect.ValueOf(&l.config).Elem()))
	for i, name := range l.names {
		root.Field(i + 1).Set(l.sections[name].value)
	}
	return root
}

// collect copies the decoded values from root.
func (l *loader) collect(root reflect.Value) {
	l.config = root.Field(0).Interface().(Config)
	for i, name := range l.names {
		l.sections[name].value = root.Field(i + 1)
	}
}

// loadFile decodes the file, if there is one. It returns false when the file can't be read or is not
// YAML.
func (l *loader) loadFile(root reflect.Value) bool {
	if !l.inMemory {
		variable := ""
		if l.path == "" {
			variable, l.path = lookup(l.environ, FileVariable(l.prefix))
		}
		if l.path == "" {
			return true
		}
		var err error
		if l.data, err = readInput(l.path, maxFile); err != nil {
			l.faults = append(l.faults, &KeyError{Source: Source{Variable: variable}, Err: fmt.Errorf("configuration file: %w", err)})
			return false
		}
	}
	file := fileLayer{name: l.path, sources: l.sources.keys, ignored: l.ignored, top: func(keys []string) { l.present = keys }}
	file.apply(root, l.data)
	l.faults = append(l.faults, file.faults...)
	return !file.unparsed
}

func lookup(environ []string, variable string) (name, value string) {
	for _, entry := range environ {
		if n, v, _ := strings.Cut(entry, "="); n == variable {
			name, value = n, v // the last one counts, as in a shell
		}
	}
	return name, value
}

// validate adds the faults of values, with their sources. Keys with a value that could not be
// decoded have their defaults, which are valid.
func (l *loader) validate() {
	found := Faults(l.config.Validate())
	for _, name := range l.names {
		if v, ok := reflect.TypeAssert[interface{ Validate() error }](l.sections[name].value.Addr()); ok {
			found = append(found, sectionFaults(name, v.Validate())...)
		}
	}
	for _, fault := range found {
		fault.Source = l.sources.Of(fault.Key)
		l.faults = append(l.faults, fault)
	}
}

// sectionFaults returns the faults of an application's section with their full keys.
func sectionFaults(name string, err error) []*KeyError {
	if err == nil {
		return nil
	}
	found := Faults(err)
	if len(found) == 0 {
		return []*KeyError{{Key: name, Err: err}}
	}
	all := make([]*KeyError, len(found))
	for i, fault := range found {
		all[i] = &KeyError{Key: joinKey(name, fault.Key), Err: fault.Err}
	}
	return all
}

// validName matches names of sections. They don't contain the separators of keys and variables.
var validName = regexp.MustCompile(`^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$`)

// declare checks the name of a section that the application declares.
func declare[T any](what, name string, existing map[string]T) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("config: %s %q: the name must be letters and digits, with single dashes or underscores between them", what, name)
	}
	for other := range existing {
		if sameName(other, name) {
			return fmt.Errorf("config: %s %q: there is one of that name already (%s)", what, name, other)
		}
	}
	return nil
}
