package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	// qualifiedName matches a name of a package, and a member of it: package.Name.Member.
	qualifiedName = regexp.MustCompile(`(^|[^\w./])([a-z]\w*)\.([A-Z]\w*)(?:\[[^\]]*\])?(?:\)?\.([A-Z]\w*))?`)
	// memberName matches a member of a type without its package: Type.Member.
	memberName = regexp.MustCompile(`(^|[^\w./])([A-Z]\w*)(?:\[[^\]]*\])?\.([A-Z]\w*)`)
)

// exported has the exported names of the module: package.Name, package.Name.Member and Name.Member.
type exported struct {
	packages, names map[string]bool
}

func exportedNames(t *testing.T) exported {
	t.Helper()
	e := exported{packages: map[string]bool{}, names: map[string]bool{}}
	walk(t, func(name string) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "internal/") ||
			strings.HasPrefix(name, "../examples/") || strings.HasPrefix(name, "../deploy/") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, page(t, name), parser.SkipObjectResolution)
		require.NoError(t, err)
		if file.Name.Name == "main" {
			return
		}
		require.Equal(t, path.Base(path.Dir(name)), file.Name.Name, "the name of a package is that of its directory")
		e.packages[file.Name.Name] = true
		for _, decl := range file.Decls {
			e.add(file.Name.Name, decl)
		}
	})
	require.Greater(t, len(e.packages), 10)
	return e
}

func (e exported) add(pkg string, decl ast.Decl) {
	member := func(of, name string) {
		e.names[pkg+"."+of+"."+name] = true
		e.names[of+"."+name] = true
	}
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil {
			e.names[pkg+"."+decl.Name.Name] = true
			return
		}
		member(receiver(decl.Recv.List[0].Type), decl.Name.Name)
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					e.names[pkg+"."+name.Name] = true
				}
			case *ast.TypeSpec:
				e.names[pkg+"."+spec.Name.Name] = true
				var fields *ast.FieldList
				switch body := spec.Type.(type) {
				case *ast.StructType:
					fields = body.Fields
				case *ast.InterfaceType:
					fields = body.Methods
				default:
					continue
				}
				for _, field := range fields.List {
					for _, name := range field.Names {
						member(spec.Name.Name, name.Name)
					}
				}
			}
		}
	}
}

// receiver returns the name of the type of a receiver.
func receiver(of ast.Expr) (name string) {
	ast.Inspect(of, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

// unknown returns the names in a piece of code that look like exported names of the module and are
// none.
func (e exported) unknown(code string) (names []string) {
	for _, m := range qualifiedName.FindAllStringSubmatch(code, -1) {
		if !e.packages[m[2]] {
			continue
		}
		// Names in capitals stand for names of the reader.
		name := m[2] + "." + m[3]
		if m[3] == strings.ToUpper(m[3]) && len(m[3]) > 1 {
			continue
		}
		if !e.names[name] {
			names = append(names, name)
		} else if m[4] != "" && !e.names[name+"."+m[4]] {
			names = append(names, name+"."+m[4])
		}
	}
	for _, m := range memberName.FindAllStringSubmatch(code, -1) {
		if name := m[2] + "." + m[3]; m[2] != strings.ToUpper(m[2]) && !e.names[name] {
			names = append(names, name)
		}
	}
	return names
}

// Names of the module in the texts of the pages exist. Those in blocks of Go are compiled.
func TestIdentifiersExist(t *testing.T) {
	t.Parallel()
	e := exportedNames(t)
	for name, text := range prose(t) {
		if name == "consumer-internals.md" || name == "field-reports.md" {
			continue // they name internals, and other projects
		}
		for _, code := range spans(text) {
			for _, unknown := range e.unknown(code) {
				t.Errorf("%s: `%s`: there is no %s", name, code, unknown)
			}
		}
	}
}

func TestUnknownIdentifierIsFound(t *testing.T) {
	t.Parallel()
	e := exportedNames(t)
	for _, code := range []string{
		"consumer.Permanent(err)", "*producer.Publisher[Order]", "consumer.Consumer.Use", "Status.LastError",
		"topic.Topic[Invoice]", "(*consumer.Message[T]).Ack", "context.Canceled", "errors.As", "config.Consumer.ParkAfter",
	} {
		require.Empty(t, e.unknown(code), code)
	}
	for code, want := range map[string]string{
		"consumer.Permanently(err)":   "consumer.Permanently",
		"consumer.Consumer.Using":     "consumer.Consumer.Using",
		"Status.LastMistake":          "Status.LastMistake",
		"*producer.Publishers[Order]": "producer.Publishers",
	} {
		require.Equal(t, []string{want}, e.unknown(code))
	}
}
