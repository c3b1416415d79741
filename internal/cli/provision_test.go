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

func TestProvisionCreatesOneTopic(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	out := s.run("provision", "shop/orders", "--partitions", "2", "--retention", "7d", "--group", "billing", "--yes").ok(t)
	require.Contains(t, out, "+ topic  shop/orders: 2 partitions, retention 7d\n")
	require.Contains(t, out, "+ group  shop/orders group billing.balance\n")
	require.Contains(t, out, "created 4 objects")
	require.Contains(t, s.run("provision", "shop/orders", "--partitions", "3").ok(t), "! topic  shop/orders: partitions is 2, not 3")
	s.run("provision", "shop").fails(t, 2, "STREAM/TOPIC")
	s.run("provision", "--prefix", "SHOP", "--yes").fails(t, 2, "name a topic: FetchBox's topics are not in the configuration of --prefix SHOP")
	s.run("dlq", "list", "--prefix", "SHOP").fails(t, 2, "name the topic of the dead letters")
	s.run("provision", "--partitions", "3").fails(t, 2, "--partitions needs a topic")
	s.run("provision", "a/b", "--retention", "soon").fails(t, 2, "--retention: must be a duration")
	s.run("provision", "a/b", "--max-size", "-1").fails(t, 2, "--max-size must be")
	s.run("provision", "a/b", "--partitions", "1001", "--yes").fails(t, 1, "1001 partitions: must be 1 to 1000")
}
