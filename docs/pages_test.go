package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// prose returns the pages that describe the library, by their paths from this directory.
func prose(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.Greater(t, len(names), 10)
	texts := map[string]string{}
	for _, name := range append(names, "../README.md", "../CONTRIBUTING.md") {
		texts[name] = page(t, name)
	}
	return texts
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	require.NoError(t, err)
	return string(text)
}

// exists reports whether there is a file or directory of this path.
func exists(path string) bool {
	_, err := os.Stat(filepath.FromSlash(path))
	return err == nil
}

// block is a fenced block of a page.
type block struct {
	// language follows the fence, and line is the number of the fence.
	language string
	line     int
	// above is the line before the fence.
	above string
	code  []string
}

// split returns the blocks of a page, and the rest of its text without them.
func split(text string) (blocks []block, rest string) {
	var kept []string
	var open *block
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{language: language, line: i + 1}
			if i > 0 {
				open.above = lines[i-1]
			}
		case fence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.code = append(open.code, line)
		default:
			kept = append(kept, line)
		}
	}
	return blocks, strings.Join(kept, "\n")
}

var codeSpan = regexp.MustCompile("`([^`\n]+)`")

// spans returns the texts in backticks of a page, without those of fenced blocks.
func spans(text string) []string {
	_, rest := split(text)
	var found []string
	for _, m := range codeSpan.FindAllStringSubmatch(rest, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestSplit(t *testing.T) {
	t.Parallel()
	blocks, rest := split("a `b`\n<!-- x.go -->\n```go\nc `d`\n```\ne\n")
	require.Equal(t, []block{{language: "go", line: 3, above: "<!-- x.go -->", code: []string{"c `d`"}}}, blocks)
	require.Equal(t, "a `b`\n<!-- x.go -->\ne\n", rest)
	require.Equal(t, []string{"b"}, spans("a `b`\n```go\nc `d`\n```\n"))
}
