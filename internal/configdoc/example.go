package configdoc

import (
	"bytes"
	"fmt"
	"strings"
)

const exampleHead = `# All keys of a FetchBox service, with their defaults. A file needs only the keys that it changes. Unknown keys are errors.
# This file alone is not enough to connect, since it has no login.
#
# The application or the variable FETCHBOX_CONFIG names the file. Environment variables override the file. Their names
# are FETCHBOX__ and the levels of the key in capitals, with two underscores between them, such as
# FETCHBOX__IGGY__CLIENT_SECRET or FETCHBOX__CONSUMERS__TASKS__MAX_IN_FLIGHT.
#
# Durations are written like 500ms, 5s or 1m30s, sizes like 64MiB, 10MB or 1024.
#
# Generated from the structs of package config and the declarations of package jobs by "make generate"; do not edit.
`

const exampleTail = `
# Further consumers, topics and clusters have the names with which the application declares them. A cluster has keys iggy,
# producer, consumers and topics of its own:
# clusters:
#   eu:
#     iggy:
#       endpoint: iggy://eu.example:8090
`

// Example returns the content of fetchbox.example.yaml. dir holds the source of package config.
func Example(dir string) ([]byte, error) {
	entries, err := tree(dir)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(exampleHead)
	for _, e := range entries {
		if len(e.entries) == 0 && e.value == "" {
			continue // a section that is empty until an application declares something in it
		}
		out.WriteByte('\n')
		writeEntry(&out, e, 0, map[string]string{}, false)
	}
	out.WriteString(exampleTail)
	return out.Bytes(), nil
}

// writeEntry writes a key with its comment. explained has the sections that are described already,
// by the name of their struct: the keys of a further one are written without comments (quiet).
func writeEntry(out *bytes.Buffer, e entry, depth int, explained map[string]string, quiet bool) {
	indent := strings.Repeat("  ", depth)
	comment := strings.ReplaceAll(e.meaning, "`", "")
	if first, ok := explained[e.section]; ok && len(e.entries) > 0 && first != "" {
		comment = strings.TrimSpace(comment + " The keys are those of " + first + ".")
		quiet = true
	} else if e.section == "Consumer" || e.section == "Topic" {
		explained[e.section] = e.path
	}
	if !quiet || len(e.entries) > 0 && depth < 2 {
		for _, line := range wrap(comment, 118-len(indent)) {
			fmt.Fprintf(out, "%s# %s\n", indent, line)
		}
	}
	if len(e.entries) == 0 {
		fmt.Fprintf(out, "%s%s: %s\n", indent, e.key, e.value)
		return
	}
	fmt.Fprintf(out, "%s%s:\n", indent, e.key)
	for _, child := range e.entries {
		writeEntry(out, child, depth+1, explained, quiet)
	}
}

// wrap breaks text into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
