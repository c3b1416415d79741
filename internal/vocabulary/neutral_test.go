package vocabulary_test

import (
	"go/ast"
	"go/token"
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
	"internal/cli/", "cmd/", "examples/", "bench/", "deploy/", "docs/images/",
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
	fset, files, exempt := token.NewFileSet(), 0, map[string]bool{}
	check := func(pos token.Pos, what, text string) {
		text = strings.ToLower(strings.ReplaceAll(text, modulePath, ""))
		for _, word := range fetchBoxWords {
			if strings.Contains(text, word) {
				t.Errorf("%s: %q in %s: only jobs knows FetchBox", fset.Position(pos), word, what)
			}
		}
	}
	neutral := func(rel string) bool {
		if strings.HasSuffix(rel, "_test.go") {
			return false
		}
		for _, prefix := range fetchBoxOnly {
			if strings.HasPrefix(rel, prefix) {
				exempt[prefix] = true
				return false
			}
		}
		return true
	}
	walkSources(t, fset, neutral, func(_ string, file *ast.File) {
		files++
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
	})
	require.Greater(t, files, 100)
	for _, prefix := range fetchBoxOnly {
		require.True(t, exempt[prefix], "%s does not exist any more: take it out of the list", prefix)
	}
}
