package vocabulary_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fetchBoxOnly are the files that know FetchBox, by the beginning of the path: its package and its
// declaration with Fx, and programs. Everything else is for any application's topics.
var fetchBoxOnly = []string{
	"jobs/", "fxiggy/fetchbox.go",
	"fxiggy/doc.go",       // says that Module adds FetchBox's topics
	"internal/configdoc/", // writes FetchBox's example file
	"internal/cli/", "cmd/", "examples/", "bench/", "deploy/",
}

// fetchBoxWords are what only those files may say, in lower case.
var fetchBoxWords = []string{
	"fetchbox", "jobspb", "jobs.tasks", "jobs.status", "jobs.logs", "jobs.dlq",
	"downloadtask", "jobstatus", "joblog",
}

const modulePath = "github.com/fetchbox/fetchbox-iggy"

// Names, texts and comments of the packages below jobs say nothing of FetchBox.
func TestOnlyJobsKnowsFetchBox(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	require.FileExists(t, filepath.Join(root, "go.mod"))
	fset, files, exempt := token.NewFileSet(), 0, map[string]bool{}
	check := func(pos token.Pos, what, text string) {
		text = strings.ToLower(strings.ReplaceAll(text, modulePath, ""))
		for _, word := range fetchBoxWords {
			if strings.Contains(text, word) {
				t.Errorf("%s: %q in %s: only jobs knows FetchBox", fset.Position(pos), word, what)
			}
		}
	}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if entry.IsDir() {
			if name := entry.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		for _, prefix := range fetchBoxOnly {
			if strings.HasPrefix(rel, prefix) {
				exempt[prefix] = true
				return nil
			}
		}
		files++
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, rel, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, group := range file.Comments {
			check(group.Pos(), "comment", group.Text())
		}
		for _, imported := range file.Imports {
			if strings.HasPrefix(imported.Path.Value, `"`+modulePath+"/jobs") {
				t.Errorf("%s: imports %s", fset.Position(imported.Pos()), imported.Path.Value)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				check(n.Pos(), "name", n.Name)
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					check(n.Pos(), "text", n.Value)
				}
			}
			return true
		})
		return nil
	}))
	require.Greater(t, files, 100)
	for _, prefix := range fetchBoxOnly {
		require.True(t, exempt[prefix], "%s does not exist any more: take it out of the list", prefix)
	}
}
