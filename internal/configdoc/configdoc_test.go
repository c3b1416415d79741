package configdoc_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/configdoc"
)

func TestFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	for path, content := range map[string]func(string) ([]byte, error){
		"../../jobs/fetchbox.example.yaml": configdoc.Example,
		"../../docs/configuration.md":      configdoc.Markdown,
	} {
		want, err := content("../../config")
		require.NoError(t, err)
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s: run make generate", path)
	}
}

func TestEveryKeyHasAMeaning(t *testing.T) {
	t.Parallel()
	text, err := configdoc.Markdown("../../config")
	require.NoError(t, err)
	require.NotRegexp(t, `\| *\|\n`, string(text))

	_, err = configdoc.Markdown(t.TempDir())
	require.ErrorContains(t, err, "no structs")
	_, err = configdoc.Example(t.TempDir())
	require.ErrorContains(t, err, "no structs")
}
