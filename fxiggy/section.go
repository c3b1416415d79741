package fxiggy

import (
	"fmt"
	"reflect"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Section provides a T with a section of the application's own in the configuration: the struct
// defaults, over which the file and the environment are decoded; see config.WithSection. When T has
// a method Validate() error, its faults are faults of the configuration.
//
//	fxiggy.Section("http", HTTPConfig{Addr: ":8080"})
//
// The configuration is loaded before any constructor can get a T. With Config, the section has its
// defaults.
func Section[T any](name string, defaults T) fx.Option {
	if t := reflect.TypeFor[T](); t.Kind() != reflect.Struct {
		if t.Kind() == reflect.Pointer {
			return fx.Error(fmt.Errorf("fxiggy: section %q: the defaults must be a struct, %s, not a pointer to it", name, t.Elem()))
		}
		return fx.Error(fmt.Errorf("fxiggy: section %q: the defaults must be a struct, not %s", name, t))
	}
	return fx.Options(
		declare(declaration{section: &section{name: name, target: func() any {
			target := defaults
			return &target
		}}}),
		fx.Provide(func(l *loaded) T { return *l.sections[name].(*T) }),
	)
}

// section is a section of the application.
type section struct {
	name   string
	target func() any // returns a pointer to a copy of the defaults
}

// load returns the option that loads the section, and keeps where it is loaded to.
func (s *section) load(into map[string]any) config.Option {
	target := s.target()
	into[s.name] = target
	return config.WithSection(s.name, target)
}
