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

// helpOf returns the help of a command.
func helpOf(t *testing.T, path ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, append(path, "--help"))
	require.Zero(t, code, "%v: %s", path, errs.String())
	return out.String()
}

// usage returns the beginning of the usage line of a command.
func usage(path ...string) string {
	return "Usage:\n  fetchbox-iggy-cli " + strings.Join(path, " ") + " "
}

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
			words := strings.Fields(use[1])
			help := helpOf(t, words[0])
			require.Contains(t, help, usage(words[0]), "%s: %s", page, use[0])
			if len(words) > 1 && plainWord.MatchString(words[1]) {
				// A subcommand, or the argument of a command that takes some.
				if below := helpOf(t, words[0], words[1]); strings.Contains(below, usage(words[:2]...)) {
					help = below
				} else {
					require.Regexp(t, usage(words[0])+`\[?[A-Z]`, help, "%s: %s", page, use[0])
				}
			}
			for _, word := range words {
				if flag := flagWord.FindString(word); flag != "" {
					require.Regexp(t, `(?m)^ +(-\w, +)?(--[a-z-]+)?.*`+regexp.QuoteMeta(flag)+`\b`, help, "%s: %s", page, use[0])
				}
			}
			seen++
		}
	}
	require.Greater(t, seen, 10)
}
