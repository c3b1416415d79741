package config

import (
	"reflect"
	"slices"
)

// ignored reports whether the unknown key name of a section of the file is ignored, and reports the
// key then. isSection tells whether it has keys below it.
func (l *loader) ignored(section reflect.Value, parent, name string, isSection bool) bool {
	return l.ignore(parent, name, l.mayIgnore(section, parent, name, isSection))
}

// ignoredVariable is ignored for a key that a variable names. The variable of a section that the file
// has, too, is the file's matter.
func (l *loader) ignoredVariable(section reflect.Value, parent, name string, isSection bool) bool {
	return l.ignore(parent, name, l.mayIgnore(section, parent, name, isSection) || l.ignoreUndeclared && parent == "" &&
		slices.ContainsFunc(l.present, func(key string) bool { return sameName(key, name) }))
}

// mayIgnore reports whether an unknown key can be ignored: IgnoreUndeclared is set, and the key may be
// the section of another program.
func (l *loader) mayIgnore(section reflect.Value, parent, name string, isSection bool) bool {
	switch {
	case !l.ignoreUndeclared:
		return false
	case parent == "":
		meant := closestKey(section, name)
		return meant == "" || slices.Contains(l.present, meant)
	}
	return isSection && holdsDeclared(section.Type())
}

// ignore reports the key when it is ignored.
func (l *loader) ignore(parent, name string, ignored bool) bool {
	if ignored && l.reportIgnored != nil {
		l.reportIgnored(joinKey(parent, name))
	}
	return ignored
}

// holdsDeclared reports whether the sections below a section are those that an application declares.
func holdsDeclared(t reflect.Type) bool {
	if kindOf(t) == kindSections {
		return true
	}
	if kindOf(t) != kindSection {
		return false
	}
	for i := range t.NumField() {
		if _, inline := keyOf(t.Field(i)); inline && kindOf(t.Field(i).Type) == kindSections {
			return true
		}
	}
	return false
}
