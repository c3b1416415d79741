package docs_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dependencies returns the modules of the tables in the section about dependencies: of the first one,
// and of the second one.
func dependencies(t *testing.T) (services, others []string) {
	t.Helper()
	_, section, found := strings.Cut(page(t, "../CONTRIBUTING.md"), "\n## Dependencies\n")
	require.True(t, found)
	tables := strings.Split(section, "| module | what for | instead of |\n")
	require.Len(t, tables, 3, "the text before the tables, and two tables")
	modules := func(table string) (paths []string) {
		for line := range strings.Lines(table) {
			cells := strings.Split(line, "|")
			if len(cells) != 5 || !strings.Contains(cells[1], "`") {
				continue
			}
			require.NotEmpty(t, strings.TrimSpace(cells[2]), line)
			require.NotEmpty(t, strings.TrimSpace(cells[3]), line)
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				paths = append(paths, m[1])
			}
		}
		return paths
	}
	return modules(tables[1]), modules(tables[2])
}

// The tables name the direct dependencies and nothing else, those that a service compiles apart.
func TestContributingNamesTheDependencies(t *testing.T) {
	t.Parallel()
	services, others := dependencies(t)
	var direct []string
	for _, m := range regexp.MustCompile(`(?m)^\t([^\s]+) v\S+$`).FindAllStringSubmatch(page(t, "../go.mod"), -1) {
		direct = append(direct, m[1])
	}
	require.NotEmpty(t, direct)
	require.ElementsMatch(t, direct, append(slices.Clone(services), others...))

	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "../fxiggy").Output()
	require.NoError(t, err)
	compiled := strings.Fields(string(out))
	for _, path := range services {
		require.Contains(t, compiled, path, "a service does not compile it")
	}
	for _, path := range others {
		require.NotContains(t, compiled, path, "a service compiles it")
	}
}

// What .ci/run installs is what the page says, and no more.
func TestContributingNamesWhatCIInstalls(t *testing.T) {
	t.Parallel()
	script := page(t, "../.ci/run")
	var packages []string
	loop := regexp.MustCompile(`for command in ([a-z ]+); do`).FindStringSubmatch(script)
	require.NotNil(t, loop)
	packages = append(packages, strings.Fields(loop[1])...)
	for _, m := range regexp.MustCompile(`missing\+=\(([a-z0-9 -]+)\)`).FindAllStringSubmatch(script, -1) {
		packages = append(packages, strings.Fields(m[1])...)
	}
	_, text, found := strings.Cut(page(t, "../CONTRIBUTING.md"), "installs with\n`apt-get` what is missing:")
	require.True(t, found)
	text, _, _ = strings.Cut(text, ".\n")
	var named []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		named = append(named, m[1])
	}
	require.ElementsMatch(t, packages, named)

	for _, m := range regexp.MustCompile(`(?m)^make ([a-z]+)$`).FindAllStringSubmatch(script, -1) {
		if !slices.Contains([]string{"tidy", "build"}, m[1]) {
			require.Contains(t, page(t, "../CONTRIBUTING.md"), "make "+m[1], "the page names the steps of .ci/run")
		}
	}
}
