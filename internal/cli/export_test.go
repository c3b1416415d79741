package cli

import (
	"fmt"
	"slices"
	"strings"
)

// DescribeBuild describes a build of the program.
var DescribeBuild = describeBuild

// CheckedSettings returns the keys of a server's configuration that doctor checks.
func CheckedSettings() []string {
	return slices.DeleteFunc(slices.Clone(checkedSettings), func(key string) bool { return key == embeddedSetting })
}

// DiagnoseSettings returns what doctor finds in a server's configuration file for a topic with a
// retention, one line for each finding.
func DiagnoseSettings(toml string) []string {
	found := serverSettings{}
	found.parse(strings.NewReader(toml))
	d := diagnosis{bounded: []string{"orders"}}
	d.retention(found)
	d.durability(found)
	d.deduplication(found)
	lines := make([]string, len(d.findings))
	for i, f := range d.findings {
		lines[i] = fmt.Sprintf("%s %s: %s", f.Verdict, f.Check, f.Detail)
	}
	return lines
}
