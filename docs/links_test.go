package docs_test

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	linkTarget = regexp.MustCompile(`\]\(<?([^)\s>]+)>?\)|(?m:^\[[^\]]+\]: (\S+))|(?:src|href|srcset)="([^"]+)"`)
	heading    = regexp.MustCompile(`(?m)^#+ (.+)$`)
	// ownAddress is the address of a file of the main branch.
	ownAddress = regexp.MustCompile(`^https://github\.com/fetchbox/fetchbox-iggy/(?:blob|tree|raw)/main/`)
)

// The targets of the links of all pages exist: files, and sections of pages.
func TestLinkTargetsExist(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, name := range markdownFiles(t) {
		_, rest := split(page(t, name))
		for _, m := range linkTarget.FindAllStringSubmatch(codeSpan.ReplaceAllString(rest, "code"), -1) {
			target := m[1] + m[2] + m[3]
			if own := ownAddress.FindString(target); own != "" {
				target = strings.TrimPrefix(target, own)
				require.NoError(t, deadLink(t, "../README.md", target), "%s links to %s", name, m[0])
			} else if !strings.Contains(target, "://") && !strings.HasPrefix(target, "mailto:") {
				require.NoError(t, deadLink(t, name, target), "%s links to %s", name, target)
			}
			checked++
		}
	}
	require.Greater(t, checked, 100)
}

// The index names each page.
func TestIndexIsComplete(t *testing.T) {
	t.Parallel()
	index := page(t, "README.md")
	for name := range prose(t) {
		if name != "README.md" && path.Dir(name) == "." {
			require.Contains(t, index, "]("+name+")")
		}
	}
}

// deadLink returns why a link of a page leads nowhere.
func deadLink(t *testing.T, from, target string) error {
	t.Helper()
	file, section, _ := strings.Cut(target, "#")
	if file == "" {
		file = from
	} else {
		file = path.Join(path.Dir(from), file)
	}
	if strings.HasPrefix(file, "../../") {
		return nil // a page of the site, such as ../../actions
	}
	if !exists(file) {
		return fmt.Errorf("there is no file %s", file)
	}
	if section != "" && strings.HasSuffix(file, ".md") && !anchors(page(t, file))[section] {
		return fmt.Errorf("%s has no section #%s", file, section)
	}
	return nil
}

// anchors returns the anchors of the headings of a page, as GitHub names them.
func anchors(text string) map[string]bool {
	_, rest := split(text)
	found := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(rest, -1) {
		title := regexp.MustCompile(`\]\([^)]*\)`).ReplaceAllString(h[1], "]")
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(title), "")
		name = strings.ReplaceAll(name, " ", "-")
		unique := name
		for i := 1; found[unique]; i++ {
			unique = fmt.Sprintf("%s-%d", name, i)
		}
		found[unique] = true
	}
	return found
}

// markdownFiles returns all pages of the module, by their paths from this directory.
func markdownFiles(t *testing.T) []string {
	t.Helper()
	var names []string
	walk(t, func(name string) {
		if strings.HasSuffix(name, ".md") {
			names = append(names, name)
		}
	})
	require.Greater(t, len(names), 15)
	return names
}

// walk calls visit with the path, from this directory, of each file of the module that is not hidden.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != ".." && (strings.HasPrefix(name, ".") && name != ".github" || name == "bin" || name == "testdata" || name == "data") {
				return filepath.SkipDir
			}
			return nil
		}
		visit(path.Clean(filepath.ToSlash(file)))
		return nil
	}))
}

func TestDeadLinkIsFound(t *testing.T) {
	t.Parallel()
	require.NoError(t, deadLink(t, "guarantees.md", "operations.md#durability"))
	require.NoError(t, deadLink(t, "../README.md", "docs/guarantees.md"))
	require.ErrorContains(t, deadLink(t, "guarantees.md", "operation.md"), "no file operation.md")
	require.ErrorContains(t, deadLink(t, "guarantees.md", "operations.md#durable"), "no section #durable")
	require.Equal(t, map[string]bool{"a-bs-c": true, "d": true, "d-1": true}, anchors("# A `b`'s c\n## D\n## [D](x.md)\n"))
}
