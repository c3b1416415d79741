package docs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/cli"
)

var (
	// commandLine matches a command line of the tool, up to a character of the shell or the text.
	commandLine = regexp.MustCompile("fetchbox-iggy-cli ([a-z][^`#|<>;\\n]*)")
	plainWord   = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	flagWord    = regexp.MustCompile(`^--[a-z-]+|^-[a-z]$`)
)

// Every command on a page exists, with its flags.
func TestCommandsExist(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	seen := 0
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, use := range commandLine.FindAllStringSubmatch(string(text), -1) {
			var path []string
			words := strings.Fields(use[1])
			for len(words) > 0 && plainWord.MatchString(words[0]) && len(path) < 2 {
				path, words = append(path, words[0]), words[1:]
			}
			var out, errs bytes.Buffer
			code := cli.Run(t.Context(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, append(path, "--help"))
			require.Zero(t, code, "%s: %s: %s", page, use[0], errs.String())
			require.Contains(t, out.String(), "Usage:\n  fetchbox-iggy-cli "+strings.Join(path, " ")+" ", "%s: %s", page, use[0])
			for _, word := range words {
				if flag := flagWord.FindString(word); flag != "" {
					require.Regexp(t, `(?m)^ +(-\w, +)?(--[a-z-]+)?.*`+regexp.QuoteMeta(flag)+`\b`, out.String(), "%s: %s", page, use[0])
				}
			}
			seen++
		}
	}
	require.Greater(t, seen, 10)
}
