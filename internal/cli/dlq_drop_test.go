package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDLQDropMarksDeadLetters(t *testing.T) {
	t.Parallel()
	s := newSystemWithDeadLetters(t)
	position := s.list("--code", "VALIDATION_DECODE")[0].Position
	require.Contains(t, s.run("dlq", "drop", position, "--dry-run").ok(t), "would drop 1 dead letter")
	require.Contains(t, s.run("dlq", "drop", position, "--yes").ok(t), "dropped 1 dead letter")
	s.run("dlq", "drop", position, "--yes").fails(t, 1, position+": no dead letter there, or not open")
	require.Len(t, s.list(), 3)
	require.Equal(t, "dropped", s.list("--state", "dropped")[0].State)

	s.run("dlq", "drop", "--job-id", "b", "--yes").ok(t)
	require.Empty(t, s.list("--code", "HANDLER_ERROR"))
	require.Equal(t, replayCounts{Replayed: 1}, s.replay("--job-id", "b", "--state", "dropped"))
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), 1)
}
