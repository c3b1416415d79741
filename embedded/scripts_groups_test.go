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
		probe(one, "turn")
	}
	probe(two, "turn")
	probe(two, "turn")
	two.call("not its own", embedded.PollMessages, pollBody(grouped("g"), st, t, 0, 1, 0, 1, 0))
	two.call("none at all", embedded.PollMessages, pollBody(grouped("g"), st, t, 99, 1, 0, 1, 0))
	one.call("leave", embedded.LeaveGroup, group)
	a.call("after the first left", embedded.GetGroup, group)
	one.call("poll as a stranger", embedded.PollMessages, pollBody(grouped("g"), st, t, -1, 1, 0, 1, 0))
	one.call("join takes the free place", embedded.JoinGroup, group)
	a.call("after the first came back", embedded.GetGroup, group)
	two.call("leave", embedded.LeaveGroup, group)
	a.call("dealt by place", embedded.GetGroup, group)
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
	s.waitGroup("three alone", group, func(answer []byte) bool { return answer[8] == 1 })
	three.call("me", embedded.GetMe, nil)
	a.call("delete the group", embedded.DeleteGroup, group)
	probe(three, "group is gone")
	three.call("me", embedded.GetMe, nil)
	three.call("leave what is gone", embedded.LeaveGroup, group)
	a.call("takes the free number", embedded.CreateGroup, join(st, t, name("again")))
	a.call("list", embedded.GetGroups, join(st, t))
}

// await polls a group until it is as wanted, and notes it.
func (s *script) waitGroup(label string, group []byte, ok func([]byte) bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return ok(s.admin.callQuietly(embedded.GetGroup, group)) }, waitTimeout, 5*time.Millisecond)
	s.admin.call(label, embedded.GetGroup, group)
}

func scriptHandover(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	group := join(st, t, ident("g"))
	for p := range uint32(4) {
		a.callQuietly(embedded.SendMessages, sendBody(st, t, toPartition(p), message(1, "a", ""), message(2, "b", "")))
	}
	a.call("create", embedded.CreateGroup, join(st, t, name("g")))
	one, two, three := s.login("one"), s.login("two"), s.login("three")
	g := grouped("g")
	one.call("join", embedded.JoinGroup, group)
	for range 4 {
		one.call("poll", embedded.PollMessages, pollBody(g, st, t, -1, 5, 0, 10, 0))
	}
	two.call("join", embedded.JoinGroup, group)
	a.call("nothing moved yet", embedded.GetGroup, group)
	two.call("nothing to poll", embedded.PollMessages, pollBody(g, st, t, -1, 5, 0, 10, 0))
	for range 4 {
		one.call("the one to go is left out", embedded.PollMessages, pollBody(g, st, t, -1, 1, 1<<62, 10, 0))
	}
	one.call("but can be polled by name", embedded.PollMessages, pollBody(g, st, t, 3, 5, 0, 10, 0))
	one.call("commit a part", embedded.StoreOffset, join(g, st, t, part(3), u64(0)))
	a.call("still not moved", embedded.GetGroup, group)
	one.call("commit the rest", embedded.StoreOffset, join(g, st, t, part(3), u64(1)))
	a.call("moved", embedded.GetGroup, group)
	one.call("not its own any more", embedded.StoreOffset, join(g, st, t, part(3), u64(1)))
	one.call("nor polled", embedded.PollMessages, pollBody(g, st, t, 3, 3, 0, 10, 0))
	two.call("polls its own", embedded.PollMessages, pollBody(g, st, t, -1, 3, 0, 1, 0))
	one.call("commit another ahead", embedded.StoreOffset, join(g, st, t, part(2), u64(1)))
	three.call("join", embedded.JoinGroup, group)
	a.call("moved at once", embedded.GetGroup, group)
	one.call("read again what was committed", embedded.PollMessages, pollBody(g, st, t, 1, 3, 0, 1, 0))
	three.call("leave", embedded.LeaveGroup, group)
	a.call("dealt again", embedded.GetGroup, group)
	four := s.login("four")
	four.call("join", embedded.JoinGroup, group)
	a.call("waits for a commit", embedded.GetGroup, group)
	one.call("poll with commit", embedded.PollMessages, pollBody(g, st, t, 2, 3, 0, 10, 1))
	one.call("poll with commit", embedded.PollMessages, pollBody(g, st, t, 0, 3, 0, 10, 1))
	a.call("after commits", embedded.GetGroup, group)
	two.call("leave", embedded.LeaveGroup, group)
	a.call("after all", embedded.GetGroup, group)
}

// scriptCursor shows that a member's turn is kept twice on the real server, in the two copies of
// its metadata of which every change of anything makes the other one current.
func scriptPollCursor(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	a.callQuietly(embedded.CreateGroup, join(st, t, name("g")))
	one := s.login("one")
	one.callQuietly(embedded.JoinGroup, join(st, t, ident("g")))
	turn := func(label string) {
		for range 3 {
			one.call(label, embedded.PollMessages, pollBody(grouped("g"), st, t, -1, 1, 1<<62, 1, 0))
		}
	}
	turn("at first")
	a.call("change", embedded.CreateGroup, join(st, t, name("x")))
	turn("after creating a group")
	a.call("change", embedded.DeleteGroup, join(st, t, ident("x")))
	turn("after deleting a group")
	a.call("change", embedded.UpdateTopic, join(st, t, []byte{1}, u64(0), u64(0), []byte{1}, name("t")))
	turn("after updating a topic")
	s.topic(st, "u", 3)
	turn("after creating a topic")
	s.topic(st, "v", 0)
	turn("after creating a topic without partitions")
	a.callQuietly(embedded.DeleteTopic, join(st, ident("v")))
	turn("after deleting a topic")
	s.stream("other")
	turn("after creating a stream")
	a.callQuietly(embedded.UpdateStream, join(st, name(s.name("t"))))
	s.streams = append(s.streams, s.name("t"))
	st = ident(s.name("t"))
	turn("after renaming a stream")
	a.callQuietly(embedded.UpdateStream, join(st, name(s.name("t"))))
	turn("after not renaming a stream")
	a.callQuietly(embedded.PurgeStream, ident(s.name("other")))
	turn("after purging")
	two := s.login("two")
	two.callQuietly(embedded.JoinGroup, join(st, t, ident("g")))
	turn("after another joined, with a handover")
	two.callQuietly(embedded.JoinGroup, join(st, t, ident("g")))
	turn("after it joined again")
	two.callQuietly(embedded.LeaveGroup, join(st, t, ident("g")))
	turn("after it left")
	two.callQuietly(embedded.LeaveGroup, join(st, t, ident("g")))
	turn("after it left again")
	s.users = append(s.users, s.name("usr"))
	a.callQuietly(embedded.CreateUser, join(name(s.name("usr")), name("secret"), []byte{1, 0}))
	turn("after creating a user")
	a.callQuietly(embedded.UpdateUser, join(ident(s.name("usr")), []byte{0, 1, 1}))
	turn("after updating a user")
	a.callQuietly(embedded.ChangePassword, join(ident(s.name("usr")), name("secret"), name("other")))
	turn("after changing a password")
	a.callQuietly(embedded.UpdatePermissions, join(ident(s.name("usr")), []byte{0}))
	turn("after changing permissions")
	u := s.connect("usr")
	u.callQuietly(embedded.LoginUser, loginBody(s.name("usr"), "other"))
	turn("after a login")
	u.callQuietly(embedded.CreateToken, join(name("token"), u64(0)))
	turn("after creating a token")
	u.callQuietly(embedded.DeleteToken, name("token"))
	turn("after deleting a token")
	a.callQuietly(embedded.DeleteUser, ident(s.name("usr")))
	turn("after deleting a user")
	one.callQuietly(embedded.SendMessages, sendBody(st, t, balanced, message(1, "x", "")))
	turn("after a send")
	a.callQuietly(embedded.CreatePartitions, join(st, t, u32(1)))
	turn("after adding a partition")
	a.callQuietly(embedded.DeletePartitions, join(st, t, u32(1)))
	turn("after removing a partition")
}

// scriptReborn lets a second member join after what the first one has polled is gone, with the
// group, with the messages or with the topic. Only a topic forgets how far its groups had polled,
// so that in the other two the partition waits for a commit that nobody can make, until the
// handover times out.
func scriptHandoverAfterDelete(s *script) {
	a, st := s.admin, s.stream("s")
	for _, what := range []string{"group", "messages", "topic"} {
		t := s.topic(st, what, 2)
		group := join(st, t, ident("g"))
		a.callQuietly(embedded.CreateGroup, join(st, t, name("g")))
		one, two := s.login("one"), s.login("two")
		one.call("join", embedded.JoinGroup, group)
		for p := range 2 {
			a.callQuietly(embedded.SendMessages, sendBody(st, t, toPartition(uint32(p)), message(1, "a", ""), message(2, "b", "")))
			a.callQuietly(embedded.FlushUnsavedBuffer, join(st, t, u32(uint32(p)), []byte{1}))
			one.call("poll", embedded.PollMessages, pollBody(grouped("g"), st, t, p, 1, 0, 10, 0))
		}
		switch what {
		case "group":
			a.call("delete", embedded.DeleteGroup, group)
		case "messages":
			a.call("purge", embedded.PurgeTopic, join(st, t))
		case "topic":
			a.call("delete", embedded.DeleteTopic, join(st, t))
			s.topic(st, what, 2)
		}
		a.callQuietly(embedded.CreateGroup, join(st, t, name("g")))
		one.call("join", embedded.JoinGroup, group)
		two.call("join", embedded.JoinGroup, group)
		a.call("without the "+what, embedded.GetGroup, group)
	}
}
