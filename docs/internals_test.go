package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// internalFile and internalName match a file and a name of the code in consumer-internals.md.
var (
	internalFile = regexp.MustCompile("`([a-z_/]+\\.go)`")
	internalName = regexp.MustCompile("`([A-Za-z]+\\.)?([A-Za-z]+\\.[A-Za-z]+)`")
)

// declared returns the names that the consumer and its components declare: package.Name, and
// Type.Name for fields and methods.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	components, err := filepath.Glob(filepath.Join("..", "consumer", "internal", "*"))
	require.NoError(t, err)
	names := map[string]bool{}
	for _, dir := range append(components, filepath.Join("..", "consumer")) {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, decl := range file.Decls {
				addNames(names, file.Name.Name, decl)
			}
		}
	}
	return names
}

func addNames(names map[string]bool, pkg string, decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		of := pkg
		if decl.Recv != nil {
			ast.Inspect(decl.Recv.List[0].Type, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && of == pkg {
					of = id.Name
				}
				return of == pkg
			})
		}
		names[of+"."+decl.Name.Name] = true
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			spec, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			names[pkg+"."+spec.Name.Name] = true
			body, ok := spec.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range body.Fields.List {
				for _, name := range field.Names {
					names[spec.Name.Name+"."+name.Name] = true
				}
			}
		}
	}
}

func TestConsumerInternalsNameWhatExists(t *testing.T) {
	t.Parallel()
	text := page(t, "consumer-internals.md")
	files := internalFile.FindAllStringSubmatch(text, -1)
	require.NotEmpty(t, files)
	for _, m := range files {
		_, err := os.Stat(filepath.Join("..", m[1]))
		if err != nil {
			_, err = os.Stat(filepath.Join("..", "consumer", "internal", m[1]))
		}
		require.NoError(t, err, m[0])
	}
	names, found := declared(t), internalName.FindAllStringSubmatch(text, -1)
	require.NotEmpty(t, found)
	for _, m := range found {
		of, _, _ := strings.Cut(m[2], ".")
		if strings.HasSuffix(m[2], ".go") || of == "callback" || of == "context" || of == "iggyerr" {
			continue
		}
		require.True(t, names[m[2]], "%s is not declared in the consumer", m[0])
	}
}
