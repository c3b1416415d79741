package configdoc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// source holds the comments and enumerations of package config.
type source struct {
	fields map[string]string   // by "Type.Field"
	keys   map[string]string   // by the name of a field in any struct
	values map[string][]choice // by the type of an enumeration
}

// choice is a value of an enumeration.
type choice struct {
	text, meaning string
}

func readSource(dir string) (*source, error) {
	s := &source{fields: map[string]string{}, keys: map[string]string{}, values: map[string][]choice{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, s.readNode)
	}
	if len(s.fields) == 0 {
		return nil, fmt.Errorf("no structs in %s", dir)
	}
	return s, nil
}

func (s *source) readNode(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.TypeSpec:
		if structure, ok := n.Type.(*ast.StructType); ok {
			for _, f := range structure.Fields.List {
				s.readField(n.Name.Name, f)
			}
		}
	case *ast.ValueSpec:
		s.readConstant(n)
	}
	return true
}

func (s *source) readField(structure string, f *ast.Field) {
	if f.Tag == nil || len(f.Names) != 1 {
		return
	}
	tag, _ := strconv.Unquote(f.Tag.Value)
	key, _, _ := strings.Cut(reflect.StructTag(tag).Get("yaml"), ",")
	if key != "" {
		s.fields[structure+"."+f.Names[0].Name] = f.Doc.Text()
		s.keys[f.Names[0].Name] = key
	}
}

func (s *source) readConstant(n *ast.ValueSpec) {
	kind, ok := n.Type.(*ast.Ident)
	if !ok || len(n.Names) != 1 || len(n.Values) != 1 || !n.Names[0].IsExported() {
		return
	}
	literal, ok := n.Values[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	text, _ := strconv.Unquote(literal.Value)
	meaning := s.sentence(kind.Name, n.Names[0].Name, n.Doc.Text())
	if meaning != "" {
		meaning = strings.ToLower(meaning[:1]) + strings.TrimSuffix(meaning[1:], ".")
	}
	s.values[kind.Name] = append(s.values[kind.Name], choice{text, meaning})
}

// meaning returns the comment of a field, worded for its key.
func (s *source) meaning(structure reflect.Type, field reflect.StructField) string {
	text := s.sentence(structure.Name(), field.Name, s.fields[structure.Name()+"."+field.Name])
	var named []string
	for _, c := range s.values[field.Type.Name()] {
		if c.meaning != "" {
			named = append(named, fmt.Sprintf("`%s`: %s", c.text, c.meaning))
		}
	}
	if len(named) > 0 {
		text += " " + strings.Join(named, "; ") + "."
	}
	return text
}

var goName = regexp.MustCompile(`\b[A-Z][A-Za-z]+\b`)

// sentence removes the name at the start of a Go comment and replaces the names of other fields
// with their keys.
func (s *source) sentence(structure, name, comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	text = strings.TrimPrefix(text, name+" ")
	text = strings.TrimPrefix(text, "is ")
	if text == "" {
		return ""
	}
	text = goName.ReplaceAllStringFunc(text, func(word string) string {
		key, ok := s.keys[word]
		_, sibling := s.fields[structure+"."+word]
		if !ok || !sibling && countUpper(word) < 2 || strings.ToUpper(word) == word {
			return word
		}
		return "`" + key + "`"
	})
	if first, _, _ := strings.Cut(text, " "); strings.Contains(first, "://") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// countUpper counts the upper-case letters of a word.
func countUpper(word string) int {
	n := 0
	for _, r := range word {
		if unicode.IsUpper(r) {
			n++
		}
	}
	return n
}
