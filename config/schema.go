package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// kind is the kind of a key. The tree of keys is the tree of structs.
type kind int

const (
	kindValue    kind = iota // a scalar
	kindList                 // a slice of scalars
	kindSection              // a struct
	kindSections             // a map of structs; only its present names are keys
	kindMap                  // a map of scalars; every name is a key
	kindInvalid
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func kindOf(t reflect.Type) kind {
	if reflect.PointerTo(t).Implements(textType) {
		return kindValue
	}
	if (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && isCollection(t.Elem()) {
		return kindInvalid
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return kindValue
	case reflect.Slice:
		if kindOf(t.Elem()) == kindValue {
			return kindList
		}
	case reflect.Struct:
		return kindSection
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return kindInvalid
		}
		switch kindOf(t.Elem()) {
		case kindValue:
			return kindMap
		case kindSection:
			return kindSections
		}
	}
	return kindInvalid
}

// isCollection reports whether t is a list or a map, perhaps of itself, and not a value.
func isCollection(t reflect.Type) bool {
	return (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && !reflect.PointerTo(t).Implements(textType)
}

// field is a key of a section. In a map, value is a copy, which set writes back; elsewhere, set
// does nothing.
type field struct {
	name  string
	value reflect.Value
	set   func()
}

// fields returns the keys of a section, in the order of the struct or of the names.
func fields(section reflect.Value) []field {
	var all []field
	switch kindOf(section.Type()) {
	case kindSection:
		for i := range section.NumField() {
			f := section.Type().Field(i)
			name, inline := keyOf(f)
			switch {
			case inline:
				all = append(all, fields(section.Field(i))...)
			case name != "":
				all = append(all, field{name: name, value: section.Field(i), set: func() {}})
			}
		}
	case kindSections:
		for _, key := range section.MapKeys() {
			child := reflect.New(section.Type().Elem()).Elem()
			child.Set(section.MapIndex(key))
			all = append(all, field{name: key.String(), value: child, set: func() { section.SetMapIndex(key, child) }})
		}
		slices.SortFunc(all, func(a, b field) int { return strings.Compare(a.name, b.name) })
	}
	return all
}

// keyOf returns the key of a struct field: its yaml tag, or its name in lower case; "" when it has
// none. The keys of an embedded struct marked inline belong to its parent's section.
func keyOf(f reflect.StructField) (name string, inline bool) {
	tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case options == "inline":
		return "", true
	case tag == "-" || !f.IsExported():
		return "", false
	case tag == "":
		return strings.ToLower(f.Name), false
	}
	return tag, false
}

// checkSchema checks that every field of a section can be configured, by a key of its own. within are
// the types around t.
func checkSchema(key string, t reflect.Type, within ...reflect.Type) error {
	if slices.Contains(within, t) {
		return fmt.Errorf("%s: type %s contains itself", key, t)
	}
	within = append(slices.Clip(within), t)
	switch kindOf(t) {
	case kindInvalid:
		return fmt.Errorf("%s: values of type %s can't be configured", key, t)
	case kindSections:
		return checkSchema(key+".*", t.Elem(), within...)
	case kindSection:
		var errs []error
		for i := range t.NumField() {
			f := t.Field(i)
			name, inline := keyOf(f)
			switch {
			case inline && (kindOf(f.Type) != kindSection || !f.IsExported() && !f.Anonymous):
				errs = append(errs, fmt.Errorf("%s: the field %s can't be inline, which is for exported or embedded structs", key, f.Name))
			case inline:
				errs = append(errs, checkSchema(key, f.Type, within...))
			case name != "":
				errs = append(errs, checkSchema(joinKey(key, name), f.Type, within...))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		return checkKeys(key, t)
	}
	return nil
}

// checkKeys checks that no two keys of a struct have the same variable.
func checkKeys(key string, t reflect.Type) error {
	seen := map[string]string{}
	for _, f := range fields(reflect.New(t).Elem()) {
		folded := foldName(f.name)
		if first, ok := seen[folded]; ok {
			return fmt.Errorf("%s: there are two keys of that name (%s)", joinKey(key, f.name), first)
		}
		seen[folded] = f.name
	}
	return nil
}

// findField returns the key of a section whose name is the same as name. In a kindMap, it returns a
// new key.
func findField(section reflect.Value, name string, same func(a, b string) bool) (field, bool) {
	if kindOf(section.Type()) == kindMap {
		value := reflect.New(section.Type().Elem()).Elem()
		return field{name: name, value: value, set: func() {
			if section.IsNil() {
				section.Set(reflect.MakeMap(section.Type()))
			}
			section.SetMapIndex(reflect.ValueOf(name).Convert(section.Type().Key()), value)
		}}, name != ""
	}
	all := fields(section)
	if i := slices.IndexFunc(all, func(f field) bool { return same(f.name, name) }); i >= 0 {
		return all[i], true
	}
	return field{}, false
}

// clone returns a copy of v with copies of its maps, so that decoding over it does not change v.
func clone(v reflect.Value) reflect.Value {
	switch kindOf(v.Type()) {
	case kindSection:
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.Field(i).Set(clone(v.Field(i)))
			}
		}
		return c
	case kindMap, kindSections:
		if v.IsNil() {
			return v
		}
		c := reflect.MakeMap(v.Type())
		for _, key := range v.MapKeys() {
			c.SetMapIndex(key, clone(v.MapIndex(key)))
		}
		return c
	}
	return v
}
