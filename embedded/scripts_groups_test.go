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
	a.do("create", embedded.CreateGroup, join(st, t, name("g")))
	a.do("create again", embedded.CreateGroup, join(st, t, name("g")))
	a.do("other case", embedded.CreateGroup, join(st, t, name("G")))
	a.do("empty name", embedded.CreateGroup, join(st, t, []byte{0}))
	a.do("in missing topic", embedded.CreateGroup, join(st, ident("missing"), name("g")))
	a.do("in missing stream", embedded.CreateGroup, join(ident(s.name("missing")), t, name("g")))
	a.do("list", embedded.GetGroups, join(st, t))
	a.do("list of missing topic", embedded.GetGroups, join(st, ident("missing")))
	a.do("get", embedded.GetGroup, group)
	a.do("get by number", embedded.GetGroup, join(st, t, number(1)))
	a.do("get missing", embedded.GetGroup, join(st, t, ident("missing")))
	a.do("get of missing topic", embedded.GetGroup, join(st, ident("missing"), ident("g")))
	a.do("join missing", embedded.JoinGroup, join(st, t, ident("missing")))
	a.do("leave without joining", embedded.LeaveGroup, group)

	one, two, three := s.member("one"), s.member("two"), s.member("three")
	one.do("join", embedded.JoinGroup, group)
	one.do("join again", embedded.JoinGroup, group)
	one.do("me", embedded.GetMe, nil)
	a.do("one member", embedded.GetGroup, group)
	two.do("join", embedded.JoinGroup, group)
	a.do("two members", embedded.GetGroup, group)
	three.do("join", embedded.JoinGroup, group)
	a.do("three members", embedded.GetGroup, group)
	probe := func(p *peer, label string) {
		p.do(label, embedded.PollMessages, pollBody(grouped("g"), st, t, -1, 1, 1<<62, 1, 0))
	}
	for range 4 {
		probe(one, "turn")
	}
	probe(two, "turn")
	probe(two, "turn")
	two.do("not its own", embedded.PollMessages, pollBody(grouped("g"), st, t, 0, 1, 0, 1, 0))
	two.do("none at all", embedded.PollMessages, pollBody(grouped("g"), st, t, 99, 1, 0, 1, 0))
	one.do("leave", embedded.LeaveGroup, group)
	a.do("after the first left", embedded.GetGroup, group)
	one.do("poll as a stranger", embedded.PollMessages, pollBody(grouped("g"), st, t, -1, 1, 0, 1, 0))
	one.do("join takes the free place", embedded.JoinGroup, group)
	a.do("after the first came back", embedded.GetGroup, group)
	two.do("leave", embedded.LeaveGroup, group)
	a.do("dealt by place", embedded.GetGroup, group)
	a.do("grow", embedded.CreatePartitions, join(st, t, u32(3)))
	a.do("eight partitions", embedded.GetGroup, group)
	a.do("shrink", embedded.DeletePartitions, join(st, t, u32(6)))
	a.do("two partitions", embedded.GetGroup, group)
	a.do("none", embedded.DeletePartitions, join(st, t, u32(2)))
	a.do("no partitions", embedded.GetGroup, group)
	probe(one, "no partitions")
	one.do("no partitions", embedded.StoreOffset, join(grouped("g"), st, t, part(0), u64(0)))
	a.do("two again", embedded.CreatePartitions, join(st, t, u32(2)))
	a.do("two again", embedded.GetGroup, group)
	one.do("log out", embedded.LogoutUser, nil)
	a.do("logging out does not leave", embedded.GetGroup, group)
	_ = one.c.Close()
	s.await("three alone", group, func(answer []byte) bool { return answer[8] == 1 })
	three.do("me", embedded.GetMe, nil)
	a.do("delete the group", embedded.DeleteGroup, group)
	probe(three, "group is gone")
	three.do("me", embedded.GetMe, nil)
	three.do("leave what is gone", embedded.LeaveGroup, group)
	a.do("takes the free number", embedded.CreateGroup, join(st, t, name("again")))
	a.do("list", embedded.GetGroups, join(st, t))
}

// await polls a group until it is as wanted, and notes it.
func (s *script) await(label string, group []byte, ok func([]byte) bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return ok(s.admin.quiet(embedded.GetGroup, group)) }, patience, 5*time.Millisecond)
	s.admin.do(label, embedded.GetGroup, group)
}

func scriptHandover(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	group := join(st, t, ident("g"))
	for p := range uint32(4) {
		a.quiet(embedded.SendMessages, sendBody(st, t, toPartition(p), message(1, "a", ""), message(2, "b", "")))
	}
	a.do("create", embedded.CreateGroup, join(st, t, name("g")))
	one, two, three := s.member("one"), s.member("two"), s.member("three")
	g := grouped("g")
	one.do("join", embedded.JoinGroup, group)
	for range 4 {
		one.do("poll", embedded.PollMessages, pollBody(g, st, t, -1, 5, 0, 10, 0))
	}
	two.do("join", embedded.JoinGroup, group)
	a.do("nothing moved yet", embedded.GetGroup, group)
	two.do("nothing to poll", embedded.PollMessages, pollBody(g, st, t, -1, 5, 0, 10, 0))
	for range 4 {
		one.do("the one to go is left out", embedded.PollMessages, pollBody(g, st, t, -1, 1, 1<<62, 10, 0))
	}
	one.do("but can be polled by name", embedded.PollMessages, pollBody(g, st, t, 3, 5, 0, 10, 0))
	one.do("commit a part", embedded.StoreOffset, join(g, st, t, part(3), u64(0)))
	a.do("still not moved", embedded.GetGroup, group)
	one.do("commit the rest", embedded.StoreOffset, join(g, st, t, part(3), u64(1)))
	a.do("moved", embedded.GetGroup, group)
	one.do("not its own any more", embedded.StoreOffset, join(g, st, t, part(3), u64(1)))
	one.do("nor polled", embedded.PollMessages, pollBody(g, st, t, 3, 3, 0, 10, 0))
	two.do("polls its own", embedded.PollMessages, pollBody(g, st, t, -1, 3, 0, 1, 0))
	one.do("commit another ahead", embedded.StoreOffset, join(g, st, t, part(2), u64(1)))
	three.do("join", embedded.JoinGroup, group)
	a.do("moved at once", embedded.GetGroup, group)
	one.do("read again what was committed", embedded.PollMessages, pollBody(g, st, t, 1, 3, 0, 1, 0))
	three.do("leave", embedded.LeaveGroup, group)
	a.do("dealt again", embedded.GetGroup, group)
	four := s.member("four")
	four.do("join", embedded.JoinGroup, group)
	a.do("waits for a commit", embedded.GetGroup, group)
	one.do("poll with commit", embedded.PollMessages, pollBody(g, st, t, 2, 3, 0, 10, 1))
	one.do("poll with commit", embedded.PollMessages, pollBody(g, st, t, 0, 3, 0, 10, 1))
	a.do("after commits", embedded.GetGroup, group)
	two.do("leave", embedded.LeaveGroup, group)
	a.do("after all", embedded.GetGroup, group)
}

// scriptCursor shows that a member's turn is kept twice on the real server, in the two copies of its metadata of which
// every change of anything makes the other one current.
func scriptCursor(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	a.quiet(embedded.CreateGroup, join(st, t, name("g")))
	one := s.member("one")
	one.quiet(embedded.JoinGroup, join(st, t, ident("g")))
	turn := func(label string) {
		for range 3 {
			one.do(label, embedded.PollMessages, pollBody(grouped("g"), st, t, -1, 1, 1<<62, 1, 0))
		}
	}
	turn("at first")
	a.do("change", embedded.CreateGroup, join(st, t, name("x")))
	turn("after creating a group")
	a.do("change", embedded.DeleteGroup, join(st, t, ident("x")))
	turn("after deleting a group")
	a.do("change", embedded.UpdateTopic, join(st, t, []byte{1}, u64(0), u64(0), []byte{1}, name("t")))
	turn("after updating a topic")
	s.topic(st, "u", 3)
	turn("after creating a topic")
	s.topic(st, "v", 0)
	turn("after creating a topic without partitions")
	a.quiet(embedded.DeleteTopic, join(st, ident("v")))
	turn("after deleting a topic")
	s.stream("other")
	turn("after creating a stream")
	a.quiet(embedded.UpdateStream, join(st, name(s.name("t"))))
	s.made = append(s.made, s.name("t"))
	st = ident(s.name("t"))
	turn("after renaming a stream")
	a.quiet(embedded.UpdateStream, join(st, name(s.name("t"))))
	turn("after not renaming a stream")
	a.quiet(embedded.PurgeStream, ident(s.name("other")))
	turn("after purging")
	two := s.member("two")
	two.quiet(embedded.JoinGroup, join(st, t, ident("g")))
	turn("after another joined, with a handover")
	two.quiet(embedded.JoinGroup, join(st, t, ident("g")))
	turn("after it joined again")
	two.quiet(embedded.LeaveGroup, join(st, t, ident("g")))
	turn("after it left")
	two.quiet(embedded.LeaveGroup, join(st, t, ident("g")))
	turn("after it left again")
	s.users = append(s.users, s.name("usr"))
	a.quiet(embedded.CreateUser, join(name(s.name("usr")), name("secret"), []byte{1, 0}))
	turn("after creating a user")
	a.quiet(embedded.UpdateUser, join(ident(s.name("usr")), []byte{0, 1, 1}))
	turn("after updating a user")
	a.quiet(embedded.ChangePassword, join(ident(s.name("usr")), name("secret"), name("other")))
	turn("after changing a password")
	a.quiet(embedded.UpdatePermissions, join(ident(s.name("usr")), []byte{0}))
	turn("after changing permissions")
	u := s.peer("usr")
	u.quiet(embedded.LoginUser, loginBody(s.name("usr"), "other"))
	turn("after a login")
	u.quiet(embedded.CreateToken, join(name("token"), u64(0)))
	turn("after creating a token")
	u.quiet(embedded.DeleteToken, name("token"))
	turn("after deleting a token")
	a.quiet(embedded.DeleteUser, ident(s.name("usr")))
	turn("after deleting a user")
	one.quiet(embedded.SendMessages, sendBody(st, t, balanced, message(1, "x", "")))
	turn("after a send")
	a.quiet(embedded.CreatePartitions, join(st, t, u32(1)))
	turn("after adding a partition")
	a.quiet(embedded.DeletePartitions, join(st, t, u32(1)))
	turn("after removing a partition")
}

// scriptReborn lets a second member join after what the first one has polled is gone, with the group, with the messages
// or with the topic. Only a topic forgets how far its groups had polled, so that in the other two the partition waits for
// a commit that nobody can make, until the handover times out.
func scriptReborn(s *script) {
	a, st := s.admin, s.stream("s")
	for _, what := range []string{"group", "messages", "topic"} {
		t := s.topic(st, what, 2)
		group := join(st, t, ident("g"))
		a.quiet(embedded.CreateGroup, join(st, t, name("g")))
		one, two := s.member("one"), s.member("two")
		one.do("join", embedded.JoinGroup, group)
		for p := range 2 {
			a.quiet(embedded.SendMessages, sendBody(st, t, toPartition(uint32(p)), message(1, "a", ""), message(2, "b", "")))
			a.quiet(embedded.FlushUnsavedBuffer, join(st, t, u32(uint32(p)), []byte{1}))
			one.do("poll", embedded.PollMessages, pollBody(grouped("g"), st, t, p, 1, 0, 10, 0))
		}
		switch what {
		case "group":
			a.do("delete", embedded.DeleteGroup, group)
		case "messages":
			a.do("purge", embedded.PurgeTopic, join(st, t))
		case "topic":
			a.do("delete", embedded.DeleteTopic, join(st, t))
			s.topic(st, what, 2)
		}
		a.quiet(embedded.CreateGroup, join(st, t, name("g")))
		one.do("join", embedded.JoinGroup, group)
		two.do("join", embedded.JoinGroup, group)
		a.do("without the "+what, embedded.GetGroup, group)
	}
}
