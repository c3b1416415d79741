package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDLQShowPrintsOneDeadLetter(t *testing.T) {
	t.Parallel()
	s := newSystemWithDeadLetters(t)
	position := s.list("--code", "HANDLER_ERROR")[0].Position
	shown := jsonOf[struct {
		State, Cause string
		Attempts     int
		Origin       struct{ Offset int }
		Letter       struct{ Task struct{ JobID string } }
		Headers      map[string]any
		History      []struct{ Mark, By string }
	}](t, s.run("dlq", "show", position).ok(t))
	require.Equal(t, "open", shown.State)
	require.Equal(t, 3, shown.Origin.Offset)
	require.Equal(t, 5, shown.Attempts)
	require.Equal(t, "b", shown.Letter.Task.JobID)
	require.Empty(t, shown.History)
	require.Equal(t, "1", shown.Headers["origin-partition"])
	s.run("dlq", "show", "1/99").fails(t, 1, "there is no dead letter at 1/99")
	s.run("dlq", "show", "first").fails(t, 2, "position, such as 0/12")
	s.run("dlq", "show").fails(t, 2, "takes one position")
}
