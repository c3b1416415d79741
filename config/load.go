package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
)

// Sources tell where the values come from that are not defaults, by key.
type Sources map[string]Source

// Has tells whether a file or the environment says something about a key, or
// about any key below it.
func (s Sources) Has(key string) bool {
	if _, ok := s[key]; ok {
		return true
	}
	for k := range s {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// Load reads the configuration in layers, each over the last: Default, the
// file (WithFile, or else the one that FETCHBOX_CONFIG names, or none), and the
// variables FETCHBOX__SECTION__KEY. Then it applies overrides and validates.
//
// Every fault is in the returned error, as a KeyError each (see Faults) that names the
// key, and the line or the variable which is to blame: unknown keys, values that can't be
// read, and what Validate finds. In that case the Config is the zero value, and
// no section of the application has changed.
func Load(opts ...Option) (Config, error) {
	l := &loader{config: Default(), sources: Sources{}, sections: map[string]*section{}}
	for _, opt := range opts {
		opt(l)
	}
	// A fault of the program, not of its operator: nothing else makes sense before it is corrected.
	if err := errors.Join(l.misuse...); err != nil {
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
	config    Config
	path      string
	data      []byte
	inMemory  bool
	environ   []string
	sections  map[string]*section
	overrides []func(*Config, Sources) error
	sources   Sources
	faults    []error
	misuse    []error
}

// section is a part of the file that belongs to the application.
type section struct {
	target reflect.Value // the application's pointer
	value  reflect.Value // what is decoded over, until all went well
}

func (l *loader) load() error {
	root := l.root()
	if l.environ == nil {
		l.environ = os.Environ()
	}
	l.loadFile(root)
	env := environmentLayer{sources: l.sources}
	env.apply(root, l.environ)
	l.faults = append(l.faults, env.faults...)
	l.take(root)

	for _, override := range l.overrides {
		if err := override(&l.config, l.sources); err != nil {
			l.faults = append(l.faults, err)
		}
	}
	l.validate()
	return errors.Join(l.faults...)
}

// root is a struct with the keys of Config and of the application's sections,
// made at run time so that one walk knows them all.
func (l *loader) root() reflect.Value {
	config := reflect.TypeFor[Config]()
	all := []reflect.StructField{{Name: "Config", Type: config, Tag: `yaml:",inline"`}}
	for name, s := range l.sections {
		all = append(all, reflect.StructField{
			Name: fmt.Sprintf("Section%d", len(all)),
			Type: s.value.Type(),
			Tag:  reflect.StructTag(fmt.Sprintf("yaml:%q", name)),
		})
	}
	root := reflect.New(reflect.StructOf(all)).Elem()
	root.Field(0).Set(clone(reflect.ValueOf(&l.config).Elem()))
	for i, f := range all[1:] {
		name, _ := keyOf(f)
		root.Field(i + 1).Set(l.sections[name].value)
	}
	return root
}

// take copies the decoded values out of root.
func (l *loader) take(root reflect.Value) {
	l.config = root.Field(0).Interface().(Config)
	for i := 1; i < root.NumField(); i++ {
		name, _ := keyOf(root.Type().Field(i))
		l.sections[name].value = root.Field(i)
	}
}

func (l *loader) loadFile(root reflect.Value) {
	if !l.inMemory {
		variable := ""
		if l.path == "" {
			variable, l.path = lookup(l.environ, FileVariable)
		}
		if l.path == "" {
			return
		}
		var err error
		if l.data, err = readStream(l.path, maxFile); err != nil {
			l.faults = append(l.faults, &KeyError{Source: Source{Variable: variable}, Err: fmt.Errorf("configuration file: %w", err)})
			return
		}
	}
	file := fileLayer{name: l.path, sources: l.sources}
	file.apply(root, l.data)
	l.faults = append(l.faults, file.faults...)
}

func lookup(environ []string, variable string) (name, value string) {
	for _, entry := range environ {
		if n, v, _ := strings.Cut(entry, "="); n == variable {
			name, value = n, v // like a shell, the last one counts
		}
	}
	return name, value
}

// validate adds what is wrong with the values, with their sources. Keys that
// could not be read keep their defaults, which are not at fault.
func (l *loader) validate() {
	found := Faults(l.config.Validate())
	for name, s := range l.sections {
		if v, ok := s.value.Addr().Interface().(interface{ Validate() error }); ok {
			found = append(found, within(name, v.Validate())...)
		}
	}
	for _, fault := range found {
		fault.Source = l.sources[fault.Key]
		l.faults = append(l.faults, fault)
	}
}

// within are the faults of an application's section under their full keys.
func within(name string, err error) []*KeyError {
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

// validName keeps names apart from the levels of a key and of a variable's name.
var validName = regexp.MustCompile(`^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$`)

// declare checks a name that an application gives to a section of its own.
func declare[T any](what, name string, taken map[string]T) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("config: %s %q: the name must be letters and digits, with single dashes or underscores between them", what, name)
	}
	for other := range taken {
		if sameName(other, name) {
			return fmt.Errorf("config: %s %q: there is one of that name already (%s)", what, name, other)
		}
	}
	return nil
}
