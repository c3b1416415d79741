package docs_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A comment above each Go block names a file that contains the block, apart from the indentation. A
// block is whole declarations, statements or arguments.
func TestCodeIsCompiled(t *testing.T) {
	t.Parallel()
	count := 0
	for name, text := range prose(t) {
		blocks, _ := split(text)
		for _, b := range blocks {
			if b.language != "go" {
				continue
			}
			count++
			file, ok := strings.CutPrefix(b.above, "<!-- ")
			require.True(t, ok, "%s:%d: no comment above names the file of this code", name, b.line)
			file, _ = strings.CutSuffix(file, " -->")
			require.True(t, contains(strings.Split(page(t, "../"+file), "\n"), b.code), "%s:%d: this code is not in %s", name, b.line, file)
			require.True(t, whole(strings.Join(b.code, "\n")), "%s:%d: this code ends within a statement", name, b.line)
		}
	}
	require.Greater(t, count, 20)
}

// whole reports whether code is a file, or a sequence of declarations, of statements, or of arguments of
// a call.
func whole(code string) bool {
	if _, err := parser.ParseFile(token.NewFileSet(), "", code, parser.SkipObjectResolution); err == nil {
		return true
	}
	for _, around := range [][2]string{{"", ""}, {"func _() {", "}"}, {"func _() error {", "}"}, {"var _ = f(", ")"}} {
		_, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+around[0]+"\n"+code+"\n"+around[1], parser.SkipObjectResolution)
		if err == nil {
			return true
		}
	}
	return false
}

func TestWhole(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"package a\n\nvar a = 1", "var a = 1", "a := 1\nreturn a", "f(a),\nf(b), // b"} {
		require.True(t, whole(code), code)
	}
	for _, code := range []string{"app := fx.New(a,", "if a {", "}"} {
		require.False(t, whole(code), code)
	}
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

// The README's producer, consumer and service stay short.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	blocks, _ := split(page(t, "../README.md"))
	for _, b := range blocks {
		require.Less(t, len(b.code), 15, "README.md:%d", b.line)
	}
	require.Greater(t, len(blocks), 4)
}

// The orders service stays as short as its page says.
func TestShopIsShort(t *testing.T) {
	t.Parallel()
	require.Contains(t, page(t, "own-topics.md"), "fewer than 400 lines including its tests")
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
