package docs_test

import (
	"bytes"
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
	makeTarget  = regexp.MustCompile("(?m)(?:`|^|[&;] )make ([a-z][a-z-]*)")
	goPackage   = regexp.MustCompile(`\bgo (?:run|build|test|install|generate)[^\n` + "`" + `]*? (\./[a-z][a-z0-9/_-]*)`)
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
	seen := 0
	for page, text := range prose(t) {
		for _, use := range commandLine.FindAllStringSubmatch(text, -1) {
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

// Every target of the Makefile, and every directory of a go command, that a page names exists.
func TestTargetsAndPackagesExist(t *testing.T) {
	t.Parallel()
	makefile := page(t, "../Makefile")
	targets, packages := 0, 0
	for name, text := range prose(t) {
		for _, m := range makeTarget.FindAllStringSubmatch(text, -1) {
			require.Contains(t, makefile, "\n"+m[1]+":", "%s: %s", name, m[0])
			targets++
		}
		for _, m := range goPackage.FindAllStringSubmatch(text, -1) {
			require.True(t, exists("../"+m[1]), "%s: %s", name, m[0])
			packages++
		}
	}
	require.Positive(t, targets)
	require.Greater(t, packages, 5)
}

// The page about the command line tool describes each of its commands.
func TestEveryCommandIsDescribed(t *testing.T) {
	t.Parallel()
	text := page(t, "command-line.md")
	listed := regexp.MustCompile(`(?m)^  ([a-z-]+)  +\S`)
	var visit func(path ...string)
	var missing []string
	count := 0
	visit = func(path ...string) {
		help := helpOf(t, path...)
		_, commands, found := strings.Cut(help, "\n\nUsage:\n")
		require.True(t, found, help)
		commands, _, _ = strings.Cut(commands, "\nFlags:\n")
		for _, m := range listed.FindAllStringSubmatch(commands, -1) {
			if m[1] == "help" || m[1] == "completion" || m[1] == "fetchbox-iggy-cli" {
				continue
			}
			command := append(append([]string{}, path...), m[1])
			name := strings.Join(command, " ")
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
				missing = append(missing, name)
			}
			count++
			visit(command...)
		}
	}
	visit()
	require.Greater(t, count, 15)
	require.Empty(t, missing, "command-line.md does not describe these")
}
