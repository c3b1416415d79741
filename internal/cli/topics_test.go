package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestTopicsListsStreamsAndPartitions(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	require.Equal(t, "no topics\n", s.run("topics").ok(t))
	s.run("provision", "shop/orders", "--partitions", "3", "--retention", "7d", "--max-size", "2GiB", "--yes").ok(t)
	s.run("provision", "shop%2Feu/a/b", "--retention", "-1", "--yes").ok(t)
	require.NoError(t, sendTo(t, connectNative(t, s.Server), "shop", "orders", 1, []byte("one"), []byte("two")))

	out := s.run("topics").ok(t)
	require.Regexp(t, `(?m)^shop/orders +3 +2 +\d+ B +7d +2.0 GiB$`, out)
	require.Regexp(t, `(?m)^shop%2Feu/a/b +1 +0 +0 B +for ever +unlimited$`, out)
	require.Contains(t, s.run("topics", "shop%2Feu/a/b").ok(t), "shop%2Feu/a/b ", "it is shown as it is named")
	require.NotContains(t, s.run("topics", "shop").ok(t), "a/b")
	require.Len(t, jsonLines[struct{ Stream, Name string }](t, s.run("topics", "-o", "json").ok(t)), 2)

	out = s.run("topics", "shop/orders").ok(t)
	require.Regexp(t, `(?m)^1 +2 +0 +1$`, out)
	require.Regexp(t, `(?m)^2 +0 +- +-$`, out)
	shown := jsonOf[struct {
		Name string
		List []struct {
			Messages, Current int
			First             *int
		} `json:"partition_list"`
	}](t, s.run("topics", "shop/orders", "-o", "json").ok(t))
	require.Len(t, shown.List, 3)
	require.Equal(t, 1, shown.List[1].Current)
	require.Zero(t, *shown.List[1].First)
	require.Nil(t, shown.List[2].First)

	s.run("topics", "nope").fails(t, 1, "stream not found")
	s.run("topics", "shop/nope").fails(t, 1, "provision creates what is missing")
	s.run("topics", "/x").fails(t, 2, "is no topic")
	s.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.GetStreams))
	s.run("topics").fails(t, 1, "name a stream or a topic")
}

func TestGroupsListsMembersAndLag(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	require.Equal(t, "no consumer groups\n", s.run("groups").ok(t))
	s.run("provision", "shop/orders", "--group", "billing", "--yes").ok(t)
	require.NoError(t, sendTo(t, connectNative(t, s.Server), "shop", "orders", 0, []byte("one"), []byte("two")))
	require.Regexp(t, `(?m)^shop/orders +billing +0 +2$`, s.run("groups").ok(t))
	require.Equal(t, []string{"billing", "billing.balance"}, namesOf(jsonLines[named](t, s.run("groups", "shop", "--all", "-o", "json").ok(t))))
	s.run("groups", "shop/nope").fails(t, 1, "topic not found")
}

type named struct{ Name string }

func namesOf(all []named) (names []string) {
	for _, one := range all {
		names = append(names, one.Name)
	}
	return names
}
