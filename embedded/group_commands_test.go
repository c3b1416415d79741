package embedded_test

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func scriptGroups(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 5)
	a := s.admin
	group := join(st, t, ident("g"))
	a.call("create", embedded.CreateGroup, join(st, t, name("g")))
	a.call("create again", embedded.CreateGroup, join(st, t, name("g")))
	a.call("other case", embedded.CreateGroup, join(st, t, name("G")))
	a.call("empty name", embedded.CreateGroup, join(st, t, []byte{0}))
	a.call("in missing topic", embedded.CreateGroup, join(st, ident("missing"), name("g")))
	a.call("in missing stream", embedded.CreateGroup, join(ident(s.name("missing")), t, name("g")))
	a.call("list", embedded.GetGroups, join(st, t))
	a.call("list of missing topic", embedded.GetGroups, join(st, ident("missing")))
	a.call("get", embedded.GetGroup, group)
	a.call("get by number", embedded.GetGroup, join(st, t, number(1)))
	a.call("get missing", embedded.GetGroup, join(st, t, ident("missing")))
	a.call("get of missing topic", embedded.GetGroup, join(st, ident("missing"), ident("g")))
	a.call("join missing", embedded.JoinGroup, join(st, t, ident("missing")))
	a.call("leave without joining", embedded.LeaveGroup, group)

	one, two, three := s.login("one"), s.login("two"), s.login("three")
	one.call("join", embedded.JoinGroup, group)
	one.call("join again", embedded.JoinGroup, group)
	one.call("me", embedded.GetMe, nil)
	a.call("one member", embedded.GetGroup, group)
	two.call("join", embedded.JoinGroup, group)
	a.call("two members", embedded.GetGroup, group)
	three.call("join", embedded.JoinGroup, group)
	a.call("three members", embedded.GetGroup, group)
	probe := func(p *scriptConn, label string) {
		p.call(label, embedded.PollMessages, pollBody(grouped("g"), st, t, -1, 1, 1<<62, 1, 0))
	}
	for range 4 {
		probe(one, "next partition")
	}
	probe(two, "next partition")
	probe(two, "next partition")
	two.call("not its own", embedded.PollMessages, pollBody(grouped("g"), st, t, 0, 1, 0, 1, 0))
	two.call("partition that does not exist", embedded.PollMessages, pollBody(grouped("g"), st, t, 99, 1, 0, 1, 0))
	one.call("leave", embedded.LeaveGroup, group)
	a.call("after the first left", embedded.GetGroup, group)
	one.call("poll without membership", embedded.PollMessages, pollBody(grouped("g"), st, t, -1, 1, 0, 1, 0))
	one.call("join takes the free slot", embedded.JoinGroup, group)
	a.call("after the first came back", embedded.GetGroup, group)
	two.call("leave", embedded.LeaveGroup, group)
	a.call("assigned by slot", embedded.GetGroup, group)
	a.call("grow", embedded.CreatePartitions, join(st, t, u32(3)))
	a.call("eight partitions", embedded.GetGroup, group)
	a.call("shrink", embedded.DeletePartitions, join(st, t, u32(6)))
	a.call("two partitions", embedded.GetGroup, group)
	a.call("none", embedded.DeletePartitions, join(st, t, u32(2)))
	a.call("no partitions", embedded.GetGroup, group)
	probe(one, "no partitions")
	one.call("no partitions", embedded.StoreOffset, join(grouped("g"), st, t, part(0), u64(0)))
	a.call("two again", embedded.CreatePartitions, join(st, t, u32(2)))
	a.call("two again", embedded.GetGroup, group)
	one.call("log out", embedded.LogoutUser, nil)
	a.call("logging out does not leave", embedded.GetGroup, group)
	_ = one.c.Close()
	s.waitGroup("one member left", group, func(answer []byte) bool { return answer[8] == 1 })
	three.call("me", embedded.GetMe, nil)
	a.call("delete the group", embedded.DeleteGroup, group)
	probe(three, "group is gone")
	three.call("me", embedded.GetMe, nil)
	three.call("leave what is gone", embedded.LeaveGroup, group)
	a.call("takes the free number", embedded.CreateGroup, join(st, t, name("again")))
	a.call("list", embedded.GetGroups, join(st, t))
}

// waitGroup waits until ok accepts the group, and adds it to the transcript.
func (s *script) waitGroup(label string, group []byte, ok func([]byte) bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return ok(s.admin.callQuietly(embedded.GetGroup, group)) }, waitTimeout, 5*time.Millisecond)
	s.admin.call(label, embedded.GetGroup, group)
}
