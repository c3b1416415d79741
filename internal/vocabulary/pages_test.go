package vocabulary_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pages use no retired word. Code in them is checked where it is compiled, and quotations are others'
// words.
func TestPagesFollowGlossary(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "*.md"))
	require.NoError(t, err)
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, docs)
	words := map[string]string{}
	phrases := map[string]string{}
	for _, r := range glossary {
		switch {
		case r.in != "":
		case strings.Contains(r.forms, ","):
			for form := range strings.SplitSeq(strings.TrimSuffix(r.forms, ","), ",") {
				phrases[form] = r.use
			}
		default:
			for form := range strings.FieldsSeq(r.forms) {
				words[form] = r.use
			}
		}
	}
	fenced := regexp.MustCompile("(?s)\n```.*?\n```\n")
	quoted := regexp.MustCompile("`[^`\n]+`|\"[^\"\n]+\"|\\]\\([^)]+\\)")
	for _, path := range append(pages, docs...) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		name := filepath.Base(path)
		plain := quoted.ReplaceAllString(fenced.ReplaceAllString(string(text), ""), " … ")
		found := splitText(plain)
		for _, word := range found {
			if use, ok := words[word]; ok {
				t.Errorf("%s: %q: use %s", name, word, use)
			}
		}
		flat := " " + strings.Join(found, " ") + " "
		for phrase, use := range phrases {
			if strings.Contains(flat, " "+phrase+" ") {
				t.Errorf("%s: %q: use %s", name, phrase, use)
			}
		}
	}
}
