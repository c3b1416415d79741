package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A comment above each Go block names a file that contains the block, apart from the indentation.
func TestCodeIsCompiled(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	blocks := 0
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			if line != "```go" {
				continue
			}
			blocks++
			require.Positive(t, i, page)
			file, ok := strings.CutPrefix(lines[i-1], "<!-- ")
			require.True(t, ok, "%s:%d: no comment above names the file of this code", page, i+1)
			file, _ = strings.CutSuffix(file, " -->")
			source, err := os.ReadFile(filepath.Join("..", file))
			require.NoError(t, err, "%s:%d", page, i+1)
			var code []string
			for _, line := range lines[i+1:] {
				if line == "```" {
					break
				}
				code = append(code, line)
			}
			require.True(t, contains(strings.Split(string(source), "\n"), code), "%s:%d: this code is not in %s", page, i+1, file)
		}
	}
	require.Positive(t, blocks)
}

// contains reports whether code is a sequence of lines of source, all indented by the same number
// of tabs.
func contains(source, code []string) bool {
	for i := range source {
		for indent := range 6 {
			if matches(source[i:], code, strings.Repeat("\t", indent)) {
				return true
			}
		}
	}
	return false
}

func matches(source, code []string, indent string) bool {
	if len(source) < len(code) {
		return false
	}
	for i, line := range code {
		if line != "" {
			line = indent + line
		}
		if source[i] != line {
			return false
		}
	}
	return true
}

// The orders service stays as short as its page says.
func TestShopIsShort(t *testing.T) {
	t.Parallel()
	require.Contains(t, page(t, "own-topics.md"), "less than 400 lines with its tests")
	files, err := filepath.Glob("../examples/shop/*.go")
	require.NoError(t, err)
	lines := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		lines += strings.Count(string(text), "\n")
	}
	require.Positive(t, lines)
	require.Less(t, lines, 400)
}
