package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The tree of keys is the tree of structs: a struct is a section, a map of
// structs a section of sections whose names are those that it already has, a map of scalars a
// section of any names, and everything else a value.

type kind int

const (
	kindValue kind = iota
	kindList
	kindSection  // a struct
	kindSections // a map of structs
	kindMap      // a map of values
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

// field is a key of a section. Set writes value back where the section holds a
// copy, and does nothing elsewhere.
type field struct {
	name  string
	value reflect.Value
	set   func()
}

// fields are the keys of a section, in the order of the struct, or of the names.
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

// keyOf is a struct field's key: its yaml tag, or its name in lower case; empty
// when it has none. Embedded structs marked inline share their parent's section.
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

// checkSchema tells whether every field of a section can be configured.
func checkSchema(key string, t reflect.Type) error {
	switch kindOf(t) {
	case kindInvalid:
		return fmt.Errorf("%s: values of type %s can't be configured", key, t)
	case kindSections:
		return checkSchema(key+".*", t.Elem())
	case kindSection:
		var errs []error
		for i := range t.NumField() {
			f := t.Field(i)
			name, inline := keyOf(f)
			switch {
			case inline:
				errs = append(errs, checkSchema(key, f.Type))
			case name != "":
				errs = append(errs, checkSchema(joinKey(key, name), f.Type))
			}
		}
		return errors.Join(errs...)
	}
	return nil
}

// child finds a key in a section. A section of any names gets a new one.
func child(section reflect.Value, name string, same func(a, b string) bool) (field, bool) {
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

// unknownKey names the key that was probably meant.
func unknownKey(section reflect.Value, name string) error {
	if meant := meantBy(section, name); meant != "" {
		return fmt.Errorf("unknown key; did you mean %s?", meant)
	}
	return errors.New("unknown key")
}

// meantBy is the key of a section that name probably is a misspelling of, or empty.
func meantBy(section reflect.Value, name string) string {
	for _, f := range fields(section) {
		if distance(f.name, strings.ToLower(name)) <= 1+len(f.name)/6 {
			return f.name
		}
	}
	return ""
}

// SectionMeant is the section of Config that a key at the top level of a file
// probably means: name itself when it is one, another one when name looks like a
// misspelling of it, and empty otherwise. It is for tools that read only these
// sections of a file which belongs to several programs.
func SectionMeant(name string) string { return meantBy(reflect.ValueOf(&Config{}).Elem(), name) }

// distance is the number of letters to change, add or remove (Levenshtein).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// setText sets a value from its text. No error quotes the text, which may be a secret
// that was written under the wrong key.
func setText(v reflect.Value, text string) error {
	if v.Type() == durationType {
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("must be a duration such as 500ms, 5s or 1m30s")
		}
		v.SetInt(int64(d))
		return nil
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return err
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return rangeError(err, "must be a whole number")
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return rangeError(err, "must be a whole number of 0 or more")
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil {
			return rangeError(err, "must be a number")
		}
		v.SetFloat(n)
	}
	return nil
}

func rangeError(err error, text string) error {
	if errors.Is(err, strconv.ErrRange) {
		text += " that is not so large"
	}
	return errors.New(text)
}

// parseBool also takes the words of YAML 1.1, which operators go on writing.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

// clone is a deep copy of the maps in v, so that decoding over it leaves the original alone.
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
