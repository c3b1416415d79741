package store_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func TestFileNamesAreLocalAndDistinct(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := func(label string) string {
			return rapid.OneOf(rapid.String(), rapid.StringMatching(`[./\\%~a]{0,12}`),
				rapid.StringMatching(`[aA2fF%.]{0,6}`), rapid.StringMatching(`(con|CON|nul|com1|lpt9)\.?[a.]{0,3}`),
				rapid.StringMatching(`é{60,200}`)).Draw(t, label)
		}
		a, b := id("a"), id("b")
		name := store.FileName(a)
		if name == "" || len(name) > 200 || strings.ContainsAny(name, "/\\\x00") || name[0] == '.' || !filepath.IsLocal(name) {
			t.Fatalf("%q is named %q", a, name)
		}
		if !store.IsFileName(name) {
			t.Fatalf("%q is named %q, which is not one of the store's names", a, name)
		}
		if stem, _, _ := strings.Cut(name, "."); slices.Contains([]string{"con", "nul", "com1", "lpt9"}, strings.ToLower(stem)) || strings.HasSuffix(name, ".") {
			t.Fatalf("%q is named %q, which Windows reserves", a, name)
		}
		if (a == b) != strings.EqualFold(name, store.FileName(b)) {
			t.Fatalf("%q and %q are named %q and %q", a, b, name, store.FileName(b))
		}
	})
	require.Equal(t, "img-1_a.b.png", store.FileName("img-1_a.b.png"), "usual names stay as they are")
	require.Equal(t, "%52%45%41%44%4D%45.txt", store.FileName("README.txt"))
	require.Equal(t, "%63on", store.FileName("con"))
	require.Equal(t, "%2E.%2F..%2Fetc", store.FileName("../../etc"))
}
