package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// DefaultPrefix is the prefix of environment variables unless WithPrefix sets another one.
const DefaultPrefix = "IGGY"

// separator stands after the prefix of a variable and between the levels of its key.
const separator = "__"

// environmentLayer sets keys from environment variables.
type environmentLayer struct {
	prefix  string // with the separator
	sources map[string]Source
	faults  []error

	// ignored reports whether an unknown key is ignored.
	ignored func(section reflect.Value, parent, name string, isSection bool) bool
}

func (l *environmentLayer) apply(root reflect.Value, environ []string) {
	environ = slices.Clone(environ)
	slices.Sort(environ) // for a stable order of faults
	seen := map[string]string{}
	for _, variable := range environ {
		name, text, _ := strings.Cut(variable, "=")
		if len(name) < len(l.prefix) || !strings.EqualFold(name[:len(l.prefix)], l.prefix) {
			continue
		}
		l.variable(root, name, text, seen)
	}
}

func (l *environmentLayer) fault(key, name string, err error) {
	l.faults = append(l.faults, &KeyError{Key: key, Source: Source{Variable: name}, Err: err})
}

func (l *environmentLayer) variable(root reflect.Value, name, text string, seen map[string]string) {
	section := root
	parts := strings.Split(strings.ToLower(name[len(l.prefix):]), separator)
	var (
		key string
		set []func()
	)
	unknown := func(err error) {
		if meant := l.meant(root, name); meant != "" {
			err = didYouMean(meant)
		}
		l.fault(strings.Join(parts, "."), name, err)
	}
	for i, part := range parts {
		f, ok := findField(section, part, sameName)
		if !ok {
			// A variable with the words of a key is a mistake, and not the section of another program.
			if l.meant(root, name) != "" || !l.ignored(section, key, part, i < len(parts)-1) {
				unknown(unknownKey(section, part))
			}
			return
		}
		key, section, set = joinKey(key, f.name), f.value, append(set, f.set)
		if k := kindOf(section.Type()); (k == kindValue || k == kindList) && i < len(parts)-1 {
			unknown(fmt.Errorf("unknown key; %s has no keys below it", key))
			return
		}
	}
	if first, ok := seen[key]; ok {
		l.fault(key, name, fmt.Errorf("is already set by %s", first))
		return
	}
	seen[key] = name

	if err := setVariable(section, text); err != nil {
		l.fault(key, name, err)
		return
	}
	for _, write := range slices.Backward(set) {
		write()
	}
	l.sources[key] = Source{Variable: name}
}

// meant returns the variable that has the words of an unknown one, with other underscores between
// them, or "".
func (l *environmentLayer) meant(root reflect.Value, name string) string {
	words := strings.ReplaceAll(name[len(l.prefix):], separator, "_")
	if levels := levelsOfWords(root, strings.ToLower(words)); levels != "" {
		return l.prefix + strings.ToUpper(levels)
	}
	return ""
}

func setVariable(v reflect.Value, text string) error {
	switch kindOf(v.Type()) {
	case kindValue:
		return setText(v, text)
	case kindList:
		list := reflect.MakeSlice(v.Type(), 0, 0)
		for item := range strings.SplitSeq(text, ",") {
			if text == "" {
				break
			}
			value := reflect.New(v.Type().Elem()).Elem()
			if err := setText(value, strings.TrimSpace(item)); err != nil {
				return err
			}
			list = reflect.Append(list, value)
		}
		v.Set(list)
		return nil
	}
	return errors.New("is a section: name one of its keys after another __")
}

// sameName compares a key with a part of a variable's name, ignoring what variables can't express:
// case, dashes and dots.
func sameName(key, part string) bool { return foldName(key) == foldName(part) }

func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, strings.ToLower(name))
}

// Variable returns the environment variable that sets a key, SHOP__IGGY__CLIENT_ID for example.
func Variable(prefix, key string) string {
	levels := strings.Split(key, ".")
	for i, level := range levels {
		levels[i] = strings.ToUpper(foldName(level))
	}
	return prefix + separator + strings.Join(levels, separator)
}

// FileVariable returns the environment variable with the path of the file, SHOP_CONFIG for example.
func FileVariable(prefix string) string { return prefix + "_CONFIG" }
