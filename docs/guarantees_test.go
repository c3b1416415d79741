// Package docs_test checks the pages of this directory against the code.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testReference matches a test on the page: `package/TestName`.
var testReference = regexp.MustCompile("`([a-z][a-z0-9/]*)/(Test[A-Za-z0-9]+)`")

// fileReference matches a source file on the page.
var fileReference = regexp.MustCompile("`([a-z][a-z0-9_/]*\\.go)`")

// tests returns the names of the tests in a directory of the module.
func tests(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	require.NoError(t, err)
	found := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				found[f.Name.Name] = true
			}
		}
	}
	return found
}

func TestGuaranteesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, m := range testReference.FindAllStringSubmatch(page(t, "guarantees.md"), -1) {
		named[m[1]+"/"+m[2]] = true
		require.True(t, tests(t, m[1])[m[2]], "guarantees.md names %s in %s, which does not exist", m[2], m[1])
	}
	require.NotEmpty(t, named)

	// Each TestPromise is on the page.
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name != ".." && (strings.HasPrefix(name, ".") || name == "bin" || name == "testdata") {
			return filepath.SkipDir
		}
		dir, err := filepath.Rel("..", path)
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		for name := range tests(t, dir) {
			if strings.HasPrefix(name, "TestPromise") {
				require.True(t, named[dir+"/"+name], "%s in %s is not named in guarantees.md", name, dir)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

func TestGuaranteesNameFilesThatExist(t *testing.T) {
	t.Parallel()
	found := fileReference.FindAllStringSubmatch(page(t, "guarantees.md"), -1)
	require.NotEmpty(t, found)
	for _, m := range found {
		require.FileExists(t, filepath.Join("..", filepath.FromSlash(m[1])))
	}
}

// Each guarantee explains how it is kept, names its tests, and states its limits.
func TestGuaranteesAreComplete(t *testing.T) {
	t.Parallel()
	sections := strings.Split(page(t, "guarantees.md"), "\n## ")[1:]
	require.Len(t, sections, 10)
	for i, section := range sections {
		title, _, _ := strings.Cut(section, "\n")
		require.Regexp(t, "^"+string(rune('1'+i%9)), strings.Replace(title, "10", "1", 1), "titles are numbered")
		for _, part := range []string{"**How.**", "**Held by**", "**Not covered**"} {
			require.Contains(t, section, part, title)
		}
		require.Regexp(t, testReference, section, title)
	}
}
