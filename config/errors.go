package config

import (
	"errors"
	"fmt"
)

// KeyError is a fault of one key of a configuration. Load and Validate join all faults that they
// find; errors.As finds the first one and Faults all. The text never has the value of a secret.
type KeyError struct {
	// Key is the path of the key, "producer.retry.max_retries" for example. It is empty for a fault
	// of a whole file.
	Key string
	// Source is where the value comes from. It is the zero Source for a default and for a missing
	// value.
	Source Source
	// Err is the fault.
	Err error
}

// Error returns "key: fault (source)".
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

// Unwrap returns the fault.
func (e *KeyError) Unwrap() error { return e.Err }

// Source is where a value comes from: a line of a file, or an environment variable. The zero Source
// is a default.
type Source struct {
	// File is the path of the file.
	File string
	// Line is the line in the file, from 1; 0 when it is unknown.
	Line int
	// Variable is the name of the environment variable, as it is spelled there.
	Variable string
}

// String returns "file:line", the variable's name, or "default".
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

// Faults returns all KeyErrors in err, in the order in which they were found.
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
