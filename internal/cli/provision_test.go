package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestProvisionCreatesWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	require.Contains(t, s.run("provision", "--dry-run").ok(t), "+ topic  fetchbox/jobs.tasks: 8 partitions")
	require.Zero(t, s.Members("fetchbox", "jobs.tasks", "workers"))
	r := s.run("provision")
	r.fails(t, 2, "confirm with --yes")
	require.Contains(t, r.out, "+ stream fetchbox", "the plan comes first")
	require.Contains(t, s.run("provision", "--yes").ok(t), "created 13 objects")
	out := s.run("provision").ok(t)
	require.NotContains(t, out, "+ ")
	require.Contains(t, out, "= topic  fetchbox/jobs.dlq")
	plan := jsonOf[struct{ Steps []struct{ Action string } }](t, s.run("provision", "-o", "json").ok(t))
	require.Len(t, plan.Steps, 13)
	s.Inject(iggytest.Answer(embedded.StatusUnauthorized))
	s.run("provision", "--yes").fails(t, 1, "not permitted")
}
