package config

import (
	"errors"
	"fmt"
)

// KeyError is one fault of a configuration, about one key. Load and Validate
// join all that they find; errors.As finds the first, Faults all. It never
// holds the value of a secret.
type KeyError struct {
	// Key is the key's path: "producer.retry.max_retries". It is empty when the
	// fault is about a whole file.
	Key string
	// Source is what gave the key its value. It is the zero Source when the
	// value is a default, or missing.
	Source Source
	// Err says what is wrong.
	Err error
}

// Error is "key: what is wrong (source)".
func (e *KeyError) Error() string {
	text := e.Err.Error()
	if e.Key != "" {
		text = e.Key + ": " + text
	}
	if e.Source != (Source{}) {
		text += " (" + e.Source.String() + ")"
	}
	return text
}

// Unwrap returns what is wrong.
func (e *KeyError) Unwrap() error { return e.Err }

// Source is where a value comes from: a line of a file, or a variable of the
// environment. The zero Source is a default.
type Source struct {
	// File is the file's path and Line the line in it, from 1.
	File string
	// Line is 0 when it is not known.
	Line int
	// Variable is the name of an environment variable, as it is spelled there.
	Variable string
}

// String is "file:line", the variable's name, or "default".
func (s Source) String() string {
	switch {
	case s.Variable != "":
		return s.Variable
	case s.File != "" && s.Line > 0:
		return fmt.Sprintf("%s:%d", s.File, s.Line)
	case s.File != "":
		return s.File
	}
	return "default"
}

// Faults are all KeyErrors in err, in the order in which they were found.
func Faults(err error) []*KeyError {
	switch e := err.(type) { //nolint:errorlint // it walks the whole tree itself
	case nil:
		return nil
	case *KeyError:
		return []*KeyError{e}
	case interface{ Unwrap() []error }:
		var all []*KeyError
		for _, inner := range e.Unwrap() {
			all = append(all, Faults(inner)...)
		}
		return all
	}
	return Faults(errors.Unwrap(err))
}

// faults collects KeyErrors below a prefix.
type faults struct {
	prefix string
	all    *[]error
}

func newFaults(prefix string) faults { return faults{prefix: prefix, all: new([]error)} }

func (f faults) at(key string) faults { return faults{prefix: f.key(key), all: f.all} }

func (f faults) key(key string) string { return joinKey(f.prefix, key) }

func (f faults) add(key string, err error) {
	*f.all = append(*f.all, &KeyError{Key: f.key(key), Err: err})
}

// require adds a fault unless ok.
func (f faults) require(ok bool, key, format string, args ...any) {
	if !ok {
		f.add(key, fmt.Errorf(format, args...))
	}
}

func (f faults) err() error { return errors.Join(*f.all...) }

func joinKey(prefix, key string) string {
	switch {
	case prefix == "":
		return key
	case key == "":
		return prefix
	}
	return prefix + "." + key
}
