package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// unknownKey returns the error for an unknown key, with a suggestion if one is close.
func unknownKey(section reflect.Value, name string) error {
	if meant := closestKey(section, name); meant != "" {
		return didYouMean(meant)
	}
	return errors.New("unknown key")
}

// didYouMean returns the error for an unknown key that probably means another one.
func didYouMean(meant string) error { return fmt.Errorf("unknown key; did you mean %s?", meant) }

// closestKey returns the key of a section of which name is probably a misspelling, or "".
func closestKey(section reflect.Value, name string) string {
	for _, f := range fields(section) {
		if distance(f.name, strings.ToLower(name)) <= 1+len(f.name)/6 {
			return f.name
		}
	}
	return ""
}

// distance returns the Levenshtein distance of a and b.
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

// levelsOfWords returns the levels of a value's variable, with separators between them, that has these
// words, or "".
func levelsOfWords(section reflect.Value, words string) string {
	for _, f := range fields(section) {
		level := foldName(f.name)
		rest, ok := strings.CutPrefix(words, level)
		switch k := kindOf(f.value.Type()); {
		case !ok:
		case rest == "" && (k == kindValue || k == kindList):
			return level
		case strings.HasPrefix(rest, "_"):
			if below := levelsOfWords(f.value, rest[1:]); below != "" {
				return level + separator + below
			}
		}
	}
	return ""
}
