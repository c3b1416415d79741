package bounded_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
)

func TestTextIsCutWithItsSize(t *testing.T) {
	t.Parallel()
	require.Equal(t, "short", bounded.Text("short", 100))
	require.Equal(t, strings.Repeat("a", 100), bounded.Text(strings.Repeat("a", 100), 100))
	require.Equal(t, strings.Repeat("a", 83)+"… (101 bytes)", bounded.Text(strings.Repeat("a", 101), 98))
	require.Equal(t, strings.Repeat("é", 41)+"… (202 bytes)", bounded.Text(strings.Repeat("é", 101), 98))
	require.Equal(t, "a\uFFFDb", bounded.Text("a\xffb", 100))
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "text"))
		limit := rapid.IntRange(40, 120).Draw(t, "limit")
		got := bounded.Text(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || len(s) <= limit && utf8.ValidString(s) && got != s {
			t.Fatalf("%q with limit %d: %q", s, limit, got)
		}
	})
}
