package configdoc

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// entry is a key with its default, or a section with the entries below it.
type entry struct {
	key     string // the last part of the path
	path    string
	meaning string
	kind    string // the type of the value
	value   string // as YAML writes it
	choices []string
	section string // the name of the struct, for a section
	entries []entry
}

// tree is the keys of the configuration of a FetchBox service with their defaults.
func tree(dir string) ([]entry, error) {
	s, err := readSource(dir)
	if err != nil {
		return nil, err
	}
	all := config.Default()
	all.Cluster = jobs.DefaultCluster()
	return s.entries(reflect.ValueOf(all), ""), nil
}

// declaredSections are the sections that an application declares, by the name of their struct, with
// the defaults of one about which it says nothing else.
func declaredSections(dir string) (map[string]entry, error) {
	s, err := readSource(dir)
	if err != nil {
		return nil, err
	}
	all := map[string]entry{}
	for name, defaults := range map[string]any{"Consumer": config.DefaultConsumer(""), "Topic": config.DefaultTopic("", "")} {
		all[name] = entry{section: name, entries: s.entries(reflect.ValueOf(defaults), "")}
	}
	return all, nil
}

// entries are the keys of a struct.
func (s *source) entries(v reflect.Value, path string) []entry {
	var all []entry
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if options == "inline" && f.Type.Kind() == reflect.Map {
			all = append(all, s.mapEntries(v.Field(i), path)...)
			continue
		}
		if options == "inline" {
			all = append(all, s.entries(v.Field(i), path)...)
			continue
		}
		e := entry{key: tag, path: strings.TrimPrefix(path+"."+tag, "."), meaning: s.meaning(v.Type(), f)}
		switch {
		case f.Type.Kind() == reflect.Struct && !isText(f.Type):
			e.section, e.entries = f.Type.Name(), s.entries(v.Field(i), e.path)
		case f.Type.Kind() == reflect.Map:
			e.entries = s.mapEntries(v.Field(i), e.path)
		default:
			e.kind, e.value = kind(f.Type), scalar(v.Field(i))
			for _, c := range s.values[f.Type.Name()] {
				e.choices = append(e.choices, c.text)
			}
		}
		all = append(all, e)
	}
	return all
}

// mapEntries returns the sections of a map that FetchBox declares, in the order of the page.
func (s *source) mapEntries(v reflect.Value, path string) []entry {
	var all []entry
	for _, name := range []string{jobs.Tasks.Section(), jobs.Status.Section(), jobs.Logs.Section(), jobs.DeadLetters.Section()} {
		if child := v.MapIndex(reflect.ValueOf(name)); child.IsValid() {
			path := path + "." + name
			all = append(all, entry{key: name, path: path, section: child.Type().Name(), entries: s.entries(child, path)})
		}
	}
	return all
}

// isText reports whether YAML writes the type as a text.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// kind names a type for readers of the page.
func kind(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[config.Bytes]():
		return "size"
	case reflect.TypeFor[config.Retention]():
		return "retention"
	case reflect.TypeFor[config.Secret]():
		return "secret"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "text"
	case reflect.Float64:
		return "number"
	}
	return "whole number"
}

// scalar is a default as YAML writes it.
func scalar(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case config.Secret:
		return `""`
	case time.Duration:
		return config.Retention(value).String() + map[bool]string{true: "s"}[value == 0]
	case fmt.Stringer:
		return value.String()
	}
	if v.Kind() == reflect.String && v.Len() == 0 {
		return `""`
	}
	return fmt.Sprint(v.Interface())
}
