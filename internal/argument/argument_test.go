package argument_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
)

type option func(*[]string)

func add(s string) option { return func(all *[]string) { *all = append(*all, s) } }

func TestContext(t *testing.T) {
	t.Parallel()
	require.NoError(t, argument.Context(t.Context()))
	require.EqualError(t, argument.Context(nil), "iggy: nil context") //nolint:staticcheck // the case
}

func TestApply(t *testing.T) {
	t.Parallel()
	var got []string
	require.NoError(t, argument.Apply(&got, []option{add("a"), add("b")}))
	require.Equal(t, []string{"a", "b"}, got)
	require.EqualError(t, argument.Apply(&got, []option{add("c"), nil}), "iggy: option 2 of 2 is nil")
	require.Equal(t, []string{"a", "b"}, got, "none is applied")
}
