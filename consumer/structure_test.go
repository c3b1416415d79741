package consumer_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The limits of what one struct of the consumer and its components may be.
const (
	maxFields  = 20 // an embedded struct counts as one
	maxMethods = 25
	maxLocks   = 1
)

// components are the packages below the consumer, with the components that each may import.
var components = map[string][]string{
	"quota":       {},
	"coalesce":    {},
	"protocol":    {},
	"testmessage": {},
	"fault":       {},
	"commit":      {"coalesce", "fault"},
	"deliver":     {"commit", "fault", "park", "quota"},
	"park":        {},
	"watch":       {"coalesce", "protocol"},
	"fetch":       {"fault", "protocol", "watch"},
	"group":       {"fault", "protocol"},
}

// sources parses the files of a package that are not tests.
func sources(t *testing.T, dir string) (*token.FileSet, []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	require.NotEmpty(t, files)
	return fset, files
}

// directories returns the directories of the consumer and its components.
func directories(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("internal", "*"))
	require.NoError(t, err)
	require.Len(t, dirs, len(components))
	return append(dirs, ".")
}

func TestStructsAreSmallAndHaveOneLock(t *testing.T) {
	t.Parallel()
	for _, dir := range directories(t) {
		_, files := sources(t, dir)
		methods := map[string]int{}
		for _, file := range files {
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil {
					methods[receiver(f)]++
				}
			}
		}
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				name := filepath.Join(dir, spec.Name.Name)
				assert.LessOrEqual(t, methods[spec.Name.Name], maxMethods, "methods of %s", name)
				body, ok := spec.Type.(*ast.StructType)
				if !ok {
					return true
				}
				fields, locks := 0, 0
				for _, field := range body.Fields.List {
					n := max(1, len(field.Names))
					fields += n
					if kind := types.ExprString(field.Type); strings.Contains(kind, "sync.Mutex") || strings.Contains(kind, "sync.RWMutex") {
						locks += n
					}
				}
				assert.LessOrEqual(t, fields, maxFields, "fields of %s", name)
				assert.LessOrEqual(t, locks, maxLocks, "locks of %s", name)
				return true
			})
		}
	}
}

// receiver returns the name of the type whose method f is.
func receiver(f *ast.FuncDecl) string {
	of := f.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	return types.ExprString(of)
}

func TestFunctionsUnlockOnlyWhatTheyLock(t *testing.T) {
	t.Parallel()
	for _, dir := range directories(t) {
		fset, files := sources(t, dir)
		for _, file := range files {
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
					checkLocks(t, fset, f.Body)
				}
			}
		}
	}
}

// checkLocks checks that the first call of Lock for a lock precedes the first call of Unlock in a
// function. A function literal is a function of its own, unless it is deferred.
func checkLocks(t *testing.T, fset *token.FileSet, body *ast.BlockStmt) {
	t.Helper()
	locked := map[string]bool{}
	deferred := map[*ast.FuncLit]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.DeferStmt:
			if literal, ok := n.Call.Fun.(*ast.FuncLit); ok {
				deferred[literal] = true
			}
		case *ast.FuncLit:
			if !deferred[n] {
				checkLocks(t, fset, n.Body)
				return false
			}
		case *ast.CallExpr:
			call, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) > 0 {
				return true
			}
			lock := types.ExprString(call.X)
			switch call.Sel.Name {
			case "Lock", "RLock":
				locked[lock] = true
			case "Unlock", "RUnlock":
				require.True(t, locked[lock], "%s: %s is unlocked and was not locked here", fset.Position(n.Pos()), lock)
			}
		}
		return true
	})
}

func TestComponentsImportNothingAboveThem(t *testing.T) {
	t.Parallel()
	const module = "github.com/fetchbox/fetchbox-iggy/"
	for component, allowed := range components {
		fset, files := sources(t, filepath.Join("internal", component))
		for _, file := range files {
			for _, spec := range file.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				path, own := strings.CutPrefix(path, module)
				if !own || !strings.HasPrefix(path, "consumer") {
					continue
				}
				imported := strings.TrimPrefix(path, "consumer/internal/")
				require.True(t, slices.Contains(allowed, imported), "%s: %s must not import %s", fset.Position(spec.Pos()), component, path)
			}
		}
	}
}

func TestCommentsBeginWithTheName(t *testing.T) {
	t.Parallel()
	for _, dir := range directories(t) {
		fset := token.NewFileSet()
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution|parser.ParseComments)
			require.NoError(t, err)
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok || f.Doc == nil {
					continue
				}
				first, _, _ := strings.Cut(f.Doc.Text(), " ")
				assert.Equal(t, f.Name.Name, strings.TrimRight(first, ",;"), "%s", fset.Position(f.Pos()))
			}
		}
	}
}

// Each file that starts goroutines or timers is named on the page about the consumer.
func TestGoroutinesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "consumer-internals.md"))
	require.NoError(t, err)
	for _, dir := range directories(t) {
		fset, files := sources(t, dir)
		for _, file := range files {
			path := filepath.ToSlash(filepath.Join("consumer", fset.Position(file.Pos()).Filename))
			ast.Inspect(file, func(n ast.Node) bool {
				starts := false
				switch n := n.(type) {
				case *ast.GoStmt:
					starts = true
				case *ast.CallExpr:
					call, ok := n.Fun.(*ast.SelectorExpr)
					starts = ok && slices.Contains([]string{"Go", "AfterFunc"}, call.Sel.Name)
				}
				if starts {
					assert.Contains(t, string(page), "`"+path+"`", "%s", fset.Position(n.Pos()))
				}
				return true
			})
		}
	}
}
