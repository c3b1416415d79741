package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDLQListFilters(t *testing.T) {
	t.Parallel()
	s := newSystemWithDeadLetters(t)
	require.Len(t, s.list(), 4)
	require.Len(t, s.list("--job-id", "a"), 2)
	require.Len(t, s.list("--code", "DOWNLOAD_*"), 2)
	require.Len(t, s.list("--code", "DOWNLOAD_TIMEOUT", "--job-id", "a"), 1)
	require.Len(t, s.list("--since", "1h"), 4)
	require.Empty(t, s.list("--until", "1h"))
	require.Empty(t, s.list("--state", "replayed"))
	out := s.run("dlq", "list").ok(t)
	require.Contains(t, out, "HANDLER_ERROR")
	require.NotContains(t, out, "\x1b", "control characters of a message are escaped")

	s.run("dlq", "replay", "--job-id", "nope", "--yes").fails(t, 1, `there is no dead letter of job "nope"`)
	s.run("dlq", "drop", "--job-id", "nope", "--yes").fails(t, 1, `there is no dead letter of job "nope"`)
	require.Contains(t, s.run("dlq", "list", "--job-id", "a", "--state", "dropped").ok(t), "no dead letters (--state dropped)")
	s.run("dlq", "list", "--job-id", "nope").fails(t, 1, `there is no dead letter of job "nope"`)
	s.run("dlq", "list", "--state", "lost").fails(t, 2, "--state must be")
	s.run("dlq", "list", "--code", "[").fails(t, 2, "not a pattern")
	s.run("dlq", "list", "--since", "soon").fails(t, 2, "--since must be")
	s.run("dlq", "lst").fails(t, 2, `did you mean "list"?`)
}
