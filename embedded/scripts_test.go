package embedded_test

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func scriptNames(s *script) {
	a := s.admin
	long := strings.Repeat("x", 255-len(s.prefix))
	for _, n := range []string{"a", long, "with space", "dots.and/slashes", "Üñï"} {
		s.made = append(s.made, s.name(n))
		a.do("create "+n, embedded.CreateStream, name(s.name(n)))
	}
	a.do("again", embedded.CreateStream, name(s.name("a")))
	a.do("other case", embedded.CreateStream, name(s.name("A")))
	s.made = append(s.made, s.name("A"))
	a.do("empty", embedded.CreateStream, []byte{0})
	a.do("no length", embedded.CreateStream, nil)
	a.do("truncated", embedded.CreateStream, []byte{5, 'a'})
	a.do("not utf-8", embedded.CreateStream, []byte{2, 0xff, 0xfe})
	a.do("get", embedded.GetStream, ident(s.name("a")))
	a.do("get with more bytes", embedded.GetStream, join(ident(s.name("a")), []byte{1, 2, 3}))
	a.do("get missing", embedded.GetStream, ident(s.name("missing")))
	a.do("get missing number", embedded.GetStream, number(4_000_000))
	a.do("kind 0", embedded.GetStream, []byte{0, 4, 1, 0, 0, 0})
	a.do("kind 3", embedded.GetStream, []byte{3, 4, 1, 0, 0, 0})
	a.do("short number", embedded.GetStream, []byte{1, 3, 1, 0, 0})
	a.do("empty name", embedded.GetStream, []byte{2, 0})
	a.do("truncated name", embedded.GetStream, []byte{2, 9, 'a'})
	a.do("not utf-8 name", embedded.GetStream, []byte{2, 2, 0xff, 0xfe})
	a.do("nothing", embedded.GetStream, nil)
	a.do("rename", embedded.UpdateStream, join(ident(s.name("a")), name(s.name("b"))))
	a.do("rename to itself", embedded.UpdateStream, join(ident(s.name("b")), name(s.name("b"))))
	a.do("rename to other", embedded.UpdateStream, join(ident(s.name("b")), name(s.name("A"))))
	a.do("rename missing", embedded.UpdateStream, join(ident(s.name("a")), name(s.name("c"))))
	a.do("rename empty", embedded.UpdateStream, join(ident(s.name("b")), []byte{0}))
	a.do("delete", embedded.DeleteStream, ident(s.name("b")))
	a.do("delete missing", embedded.DeleteStream, ident(s.name("b")))
	a.do("purge missing", embedded.PurgeStream, ident(s.name("b")))
}

func scriptTopics(s *script) {
	a := s.admin
	st := s.stream("s")
	a.do("no partitions", embedded.CreateTopic, topicBody(st, 0, 1, 0, 0, 0, "none"))
	a.do("partitions", embedded.CreateTopic, topicBody(st, 3, 2, 1, 0, 3, "three"))
	a.do("too many", embedded.CreateTopic, topicBody(st, 1001, 1, 0, 0, 0, "many"))
	a.do("compression 0", embedded.CreateTopic, topicBody(st, 1, 0, 0, 0, 0, "c0"))
	a.do("compression 3", embedded.CreateTopic, topicBody(st, 1, 3, 0, 0, 0, "c3"))
	a.do("never expires", embedded.CreateTopic, topicBody(st, 1, 1, 1<<64-1, 1<<64-1, 255, "never"))
	a.do("small", embedded.CreateTopic, topicBody(st, 1, 1, 0, 1<<30-1, 0, "small"))
	a.do("just enough", embedded.CreateTopic, topicBody(st, 1, 1, 0, 1<<30, 0, "enough"))
	a.do("again", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, "three"))
	a.do("again and small", embedded.CreateTopic, topicBody(st, 1, 1, 0, 1, 0, "three"))
	a.do("empty name", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, ""))
	a.do("missing stream", embedded.CreateTopic, topicBody(ident(s.name("missing")), 1, 1, 0, 0, 0, "t"))
	a.do("missing stream, compression 0", embedded.CreateTopic, topicBody(ident(s.name("missing")), 1, 0, 0, 0, 0, "t"))
	a.do("truncated", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, "t")[:30])
	a.do("get", embedded.GetTopic, join(st, ident("three")))
	a.do("get by number", embedded.GetTopic, join(st, number(1)))
	a.do("get missing", embedded.GetTopic, join(st, ident("missing")))
	a.do("get of missing stream", embedded.GetTopic, join(ident(s.name("missing")), ident("missing")))
	a.do("list", embedded.GetTopics, st)
	a.do("list of missing", embedded.GetTopics, ident(s.name("missing")))
	a.do("stream", embedded.GetStream, st)

	update := func(topic []byte, compression byte, expiry, size uint64, n string) []byte {
		return join(st, topic, []byte{compression}, u64(expiry), u64(size), []byte{0}, name(n))
	}
	a.do("update", embedded.UpdateTopic, update(ident("three"), 1, 0, 5, "renamed"))
	a.do("updated", embedded.GetTopic, join(st, ident("renamed")))
	a.do("update to other", embedded.UpdateTopic, update(ident("renamed"), 1, 0, 0, "never"))
	a.do("update missing", embedded.UpdateTopic, update(ident("three"), 1, 0, 0, "x"))
	a.do("update compression", embedded.UpdateTopic, update(ident("renamed"), 7, 0, 0, "x"))

	add := func(t []byte, n uint32) []byte { return join(st, t, u32(n)) }
	a.do("add none", embedded.CreatePartitions, add(ident("renamed"), 0))
	a.do("add too many", embedded.CreatePartitions, add(ident("renamed"), 1001))
	a.do("add", embedded.CreatePartitions, add(ident("renamed"), 2))
	a.do("add to missing", embedded.CreatePartitions, add(ident("missing"), 2))
	a.do("remove none", embedded.DeletePartitions, add(ident("renamed"), 0))
	a.do("remove too many", embedded.DeletePartitions, add(ident("renamed"), 6))
	a.do("remove", embedded.DeletePartitions, add(ident("renamed"), 4))
	a.do("remove from missing", embedded.DeletePartitions, add(ident("missing"), 2))
	a.do("left", embedded.GetTopic, join(st, ident("renamed")))
	a.do("remove the last", embedded.DeletePartitions, add(ident("renamed"), 1))
	a.do("none left", embedded.GetTopic, join(st, ident("renamed")))
	a.do("send balanced to none", embedded.SendMessages, sendBody(st, ident("renamed"), balanced, message(1, "x", "")))

	a.do("segments", embedded.DeleteSegments, join(st, ident("enough"), u32(0), u32(1)))
	a.do("segments of missing partition", embedded.DeleteSegments, join(st, ident("enough"), u32(9), u32(1)))
	a.do("segments of missing topic", embedded.DeleteSegments, join(st, ident("missing"), u32(0), u32(1)))
	a.do("flush", embedded.FlushUnsavedBuffer, join(st, ident("enough"), u32(0), []byte{1}))
	a.do("flush missing topic", embedded.FlushUnsavedBuffer, join(st, ident("missing"), u32(0), []byte{1}))

	a.do("delete", embedded.DeleteTopic, join(st, ident("none")))
	a.do("delete missing", embedded.DeleteTopic, join(st, ident("none")))
	a.do("takes the free number", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, "reborn"))
}

func scriptSend(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	m := message(1, "payload", "")
	for _, key := range []string{"a", "job-1", "a rather long key that has more than sixteen bytes"} {
		a.do("by key "+key, embedded.SendMessages, sendBody(st, t, byKey(key), m))
	}
	for range 6 {
		a.do("balanced", embedded.SendMessages, sendBody(st, t, balanced, m))
	}
	a.do("with headers", embedded.SendMessages, sendBody(st, t, toPartition(3), message(2, "p", "headers that are none"), m))
	a.do("empty payload", embedded.SendMessages, sendBody(st, t, toPartition(3), message(3, "", "")))
	a.do("empty key", embedded.SendMessages, sendBody(st, t, noKey, m))
	a.do("topic", embedded.GetTopic, join(st, t))
	for p := range 4 {
		a.do("held", embedded.PollMessages, pollBody(single("c"), st, t, p, 3, 0, 100, 0))
	}

	index := func(offset, end uint32, ts uint64) []byte { return join(u32(offset), u32(end), u64(ts)) }
	full := uint32(len(m))
	send := func(label string, body []byte) { s.once(label, embedded.SendMessages, body) }
	send("missing partition", sendBody(st, t, toPartition(4), m))
	send("missing topic", sendBody(st, ident("missing"), balanced, m))
	send("missing stream", sendBody(ident(s.name("missing")), t, balanced, m))
	send("no messages", sendBody(st, t, balanced))
	send("offset in index", sendParts(st, t, balanced, 1, index(1, full, 0), m))
	send("time in index", sendParts(st, t, balanced, 1, index(0, full, 1), m))
	send("end too far is ignored for the last", sendParts(st, t, toPartition(0), 1, index(0, full+9, 0), m))
	send("first end too far", sendParts(st, t, balanced, 2, join(index(0, 2*full+1, 0), index(0, 2*full, 0)), join(m, m)))
	send("first end too short", sendParts(st, t, balanced, 2, join(index(0, 63, 0), index(0, 2*full, 0)), join(m, m)))
	send("first end in the middle", sendParts(st, t, balanced, 2, join(index(0, full-1, 0), index(0, 2*full, 0)), join(m, m)))
	send("first end late", sendParts(st, t, balanced, 2, join(index(0, full+1, 0), index(0, 2*full, 0)), join(m, m)))
	send("ends not in order", sendParts(st, t, balanced, 3,
		join(index(0, full, 0), index(0, full-1, 0), index(0, 3*full, 0)), join(m, m, m)))
	send("last end before the one before", sendParts(st, t, balanced, 2, join(index(0, full, 0), index(0, 1, 0)), join(m, m)))
	send("bytes left over", sendParts(st, t, balanced, 1, index(0, full, 0), join(m, []byte("more"))))
	send("shorter than a header", sendParts(st, t, balanced, 1, index(0, 63, 0), m[:63]))
	lying := message(1, "payload", "")
	lying[52] = 200
	send("payload longer than the rest", sendParts(st, t, balanced, 1, index(0, full, 0), lying))
	lying = message(1, "payload", "")
	lying[48] = 1
	send("headers longer than the rest", sendParts(st, t, balanced, 1, index(0, full, 0), lying))
	send("headers too long", sendBody(st, t, balanced, message(1, "p", strings.Repeat("h", 100_001))))
	back := message(1, "payload", "")
	back[24] = 5
	send("offsets that go back", sendBody(st, t, balanced, back, m))
	send("offsets that are set", sendBody(st, t, toPartition(1), back, back))
	send("partitioning kind 0", sendBody(st, t, []byte{0, 0}, m))
	send("partitioning kind 4", sendBody(st, t, []byte{4, 0}, m))
	send("balanced with a value", sendBody(st, t, []byte{1, 1, 0}, m))
	send("partition of 2 bytes", sendBody(st, t, []byte{2, 2, 0, 0}, m))
	send("stream of kind 3", sendBody([]byte{3, 1, 0}, t, balanced, m))
	send("stream of 3 bytes", sendBody([]byte{1, 3, 0, 0, 0}, t, balanced, m))
	send("stream without a name", sendBody([]byte{2, 0}, t, balanced, m))
	send("metadata longer than the body", join(u32(1000), st, t, balanced, u32(1)))
	send("more indexes than bytes", sendParts(st, t, balanced, 1000, index(0, full, 0), m))
	body := sendBody(st, t, balanced, m)
	body[0] -= 2
	send("metadata too short", body)
	stranger := s.peer("stranger")
	stranger.do("without login", embedded.SendMessages, nil)
	a.do("topic after all that", embedded.GetTopic, join(st, t))
}

func scriptPoll(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 2)
	a := s.admin
	for n := uint64(1); n <= 5; n++ {
		a.quiet(embedded.SendMessages, sendBody(st, t, toPartition(0), message(2*n, "first", ""), message(2*n+1, "second", "")))
	}
	who := single("c")
	poll := func(label string, p int, kind byte, value uint64, count uint32, commit byte) {
		a.do(label, embedded.PollMessages, pollBody(who, st, t, p, kind, value, count, commit))
	}
	poll("first", 0, 3, 0, 2, 0)
	poll("first, value ignored", 0, 3, 7, 1, 0)
	poll("last", 0, 4, 0, 3, 0)
	poll("more than all", 0, 4, 0, 100, 0)
	poll("last none", 0, 4, 0, 0, 0)
	poll("offset", 0, 1, 5, 2, 0)
	poll("offset at the end", 0, 1, 9, 2, 0)
	poll("offset past the end", 0, 1, 10, 2, 0)
	poll("offset far past the end", 0, 1, 1<<62, 2, 0)
	poll("next", 0, 5, 0, 1, 0)
	poll("next again", 0, 5, 0, 1, 0)
	poll("next, commit", 0, 5, 0, 4, 1)
	poll("next after commit", 0, 5, 0, 1, 0)
	poll("first, commit", 0, 3, 0, 1, 1)
	poll("next after going back", 0, 5, 0, 1, 0)
	poll("time 0", 0, 2, 0, 1, 0)
	poll("far future", 0, 2, 1<<62, 10, 0)
	poll("time, none", 0, 2, 0, 0, 0)
	poll("no partition named", -1, 3, 0, 1, 0)
	poll("empty partition", 1, 3, 0, 1, 0)
	poll("empty partition, next", 1, 5, 0, 1, 1)
	poll("empty partition, last", 1, 4, 0, 1, 0)
	poll("empty partition, offset 0", 1, 1, 0, 1, 0)
	poll("empty partition, offset 1", 1, 1, 1, 1, 0)
	poll("empty partition, time", 1, 2, 0, 1, 0)
	poll("missing partition", 2, 3, 0, 1, 0)
	poll("missing partition, none", 2, 3, 0, 0, 0)
	poll("kind 0", 0, 0, 0, 1, 0)
	poll("kind 6", 0, 6, 0, 1, 0)
	a.do("numeric consumer", embedded.PollMessages, pollBody(append([]byte{1}, number(7)...), st, t, 0, 5, 0, 1, 1))
	a.do("numeric consumer again", embedded.PollMessages, pollBody(append([]byte{1}, number(7)...), st, t, 0, 5, 0, 1, 0))
	a.do("consumer of kind 3", embedded.PollMessages, pollBody(append([]byte{3}, number(7)...), st, t, 0, 5, 0, 1, 0))
	a.do("missing topic", embedded.PollMessages, pollBody(who, st, ident("missing"), 0, 5, 0, 1, 0))
	a.do("missing stream", embedded.PollMessages, pollBody(who, ident(s.name("missing")), t, 0, 5, 0, 1, 0))
	a.do("missing group", embedded.PollMessages, pollBody(grouped("missing"), st, t, 0, 5, 0, 1, 0))
	a.do("truncated", embedded.PollMessages, pollBody(who, st, t, 0, 5, 0, 1, 0)[:40])
}

func scriptOffsets(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 3)
	a := s.admin
	a.quiet(embedded.SendMessages, sendBody(st, t, toPartition(1), message(1, "a", ""), message(2, "b", ""), message(3, "c", "")))
	get := func(label string, who []byte, p int) {
		a.do(label, embedded.GetOffset, join(who, st, t, part(p)))
	}
	store := func(label string, who []byte, p int, offset uint64) {
		a.do(label, embedded.StoreOffset, join(who, st, t, part(p), u64(offset)))
	}
	drop := func(label string, who []byte, p int) {
		a.do(label, embedded.DeleteOffset, join(who, st, t, part(p)))
	}
	c := single("c")
	get("nothing stored", c, 1)
	store("in an empty partition", c, 0, 0)
	store("first", c, 1, 0)
	store("last", c, 1, 2)
	store("past the end", c, 1, 3)
	get("stored", c, 1)
	store("back", c, 1, 1)
	get("went back", c, 1)
	get("no partition named", c, -1)
	store("no partition named", c, -1, 0)
	store("missing partition", c, 9, 0)
	get("missing partition", c, 9)
	drop("missing partition", c, 9)
	drop("stored", c, 1)
	drop("again", c, 1)
	drop("no partition named", c, -1)
	get("after", c, 1)
	store("of kind 3", append([]byte{3}, number(1)...), 1, 0)
	a.do("missing topic", embedded.GetOffset, join(c, st, ident("missing"), part(0)))
	a.do("missing stream", embedded.GetOffset, join(c, ident(s.name("missing")), t, part(0)))
	a.do("store in missing topic", embedded.StoreOffset, join(c, st, ident("missing"), part(0), u64(0)))
	a.do("delete in missing topic", embedded.DeleteOffset, join(c, st, ident("missing"), part(0)))

	g := grouped("g")
	get("missing group", g, 1)
	store("missing group", g, 1, 0)
	drop("missing group", g, 1)
	a.do("create", embedded.CreateGroup, join(st, t, name("g")))
	get("not a member", g, 1)
	store("not a member", g, 1, 0)
	drop("not a member", g, 1)
	a.do("join", embedded.JoinGroup, join(st, t, ident("g")))
	store("member", g, 1, 2)
	get("member", g, 1)
	get("member, no partition named", g, -1)
	store("no partition named: turn", g, -1, 0)
	drop("no partition named: turn", g, -1)
	store("partition that does not exist", g, 7, 0)
	drop("member", g, 1)
	drop("member, again", g, 1)
	a.do("missing group deleted", embedded.DeleteGroup, join(st, t, ident("nope")))
	store("before the group goes", g, 1, 1)
	a.do("delete group", embedded.DeleteGroup, join(st, t, ident("g")))
	a.do("create anew", embedded.CreateGroup, join(st, t, name("g")))
	get("gone with the group", g, 1)
}

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

func scriptPurge(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 2)
	a := s.admin
	send := func(n uint64) {
		a.do("send", embedded.SendMessages, sendBody(st, t, toPartition(0), message(n, "a", ""), message(n+1, "b", "")))
	}
	who := single("c")
	first := func(label string) {
		a.do(label, embedded.PollMessages, pollBody(who, st, t, 0, 3, 0, 10, 0))
	}
	send(1)
	a.do("store", embedded.StoreOffset, join(who, st, t, part(0), u64(1)))
	// What the real server has not written to its disk yet survives a purge there, though it is numbered anew; this
	// server does not copy that.
	a.do("flush", embedded.FlushUnsavedBuffer, join(st, t, u32(0), []byte{0}))
	a.do("purge", embedded.PurgeTopic, join(st, t))
	a.do("topic", embedded.GetTopic, join(st, t))
	a.do("offset", embedded.GetOffset, join(who, st, t, part(0)))
	first("empty")
	a.do("store in the emptied", embedded.StoreOffset, join(who, st, t, part(0), u64(0)))
	send(3)
	first("numbered anew")
	a.do("topic", embedded.GetTopic, join(st, t))
	a.do("flush", embedded.FlushUnsavedBuffer, join(st, t, u32(0), []byte{0}))
	a.do("purge stream", embedded.PurgeStream, st)
	first("empty")
	a.do("stream", embedded.GetStream, st)
	a.do("purge missing", embedded.PurgeTopic, join(st, ident("missing")))
	send(5)
	a.do("delete", embedded.DeleteTopic, join(st, t))
	s.topic(st, "t", 2)
	first("a topic of the same name starts empty")
}

func scriptUsers(s *script) {
	a := s.admin
	user := func(n, password string, status byte, rest ...byte) []byte {
		return join(name(s.name(n)), name(password), []byte{status}, rest)
	}
	id := func(n string) []byte { return ident(s.name(n)) }
	s.users = append(s.users, s.name("ann"), s.name("bob"), s.name("eve"))
	a.do("create", embedded.CreateUser, user("ann", "secret", 1, 0))
	a.do("again", embedded.CreateUser, user("ann", "secret", 1, 0))
	a.do("inactive", embedded.CreateUser, user("bob", "secret", 2, 0))
	a.do("status 0", embedded.CreateUser, user("x", "secret", 0, 0))
	a.do("status 3", embedded.CreateUser, user("x", "secret", 3, 0))
	a.do("short name", embedded.CreateUser, join(name("ab"), name("secret"), []byte{1, 0}))
	a.do("long name", embedded.CreateUser, join(name(strings.Repeat("n", 51)), name("secret"), []byte{1, 0}))
	a.do("short password", embedded.CreateUser, user("x", "ab", 1, 0))
	a.do("long password", embedded.CreateUser, user("x", strings.Repeat("p", 101), 1, 0))
	a.do("lying length of permissions", embedded.CreateUser, user("x", "secret", 1, join([]byte{1}, u32(5), make([]byte, 11))...))
	a.do("truncated permissions", embedded.CreateUser, user("x", "secret", 1, join([]byte{1}, u32(11), make([]byte, 10))...))
	perms := join([]byte{0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1}, u32(3), []byte{0, 1, 0, 1, 0, 1, 1}, u32(2), []byte{1, 0, 1, 0, 0, 1},
		u32(1), []byte{0, 0, 0, 0, 1, 0, 0, 0})
	a.do("with permissions", embedded.CreateUser, user("eve", "secret", 1, join([]byte{1}, u32(uint32(len(perms))), perms)...))
	a.do("get", embedded.GetUser, id("eve"))
	a.do("get without permissions", embedded.GetUser, id("ann"))
	a.do("get missing", embedded.GetUser, id("missing"))
	a.do("get missing number", embedded.GetUser, number(4_000_000))
	a.do("get root", embedded.GetUser, number(0))

	login := func(label, n, password string) *peer {
		p := s.peer("login")
		p.do(label, embedded.LoginUser, loginBody(s.name(n), password))
		return p
	}
	ann := login("ann", "ann", "secret")
	login("wrong password", "ann", "secrets")
	login("inactive", "bob", "secret")
	login("inactive, wrong password", "bob", "secrets")
	login("missing", "missing", "secret")
	p := s.peer("login")
	p.do("short name", embedded.LoginUser, loginBody("ab", "secret"))
	p.do("short password", embedded.LoginUser, loginBody("abc", "se"))
	p.do("long password", embedded.LoginUser, loginBody("abc", strings.Repeat("p", 101)))
	p.do("long name", embedded.LoginUser, loginBody(strings.Repeat("p", 51), "secret"))
	p.do("number", embedded.LoginUser, loginBody("4000000", "secret"))
	p.do("truncated", embedded.LoginUser, loginBody("abc", "secret")[:12])
	p.do("empty name", embedded.LoginUser, loginBody("", "secret"))

	ann.do("me", embedded.GetMe, nil)
	ann.do("herself", embedded.GetUser, id("ann"))
	ann.do("someone else", embedded.GetUser, id("eve"))
	ann.do("missing", embedded.GetUser, id("missing"))
	ann.do("all", embedded.GetUsers, nil)
	ann.do("create", embedded.CreateUser, user("x", "secret", 1, 0))
	ann.do("create, invalid", embedded.CreateUser, user("x", "s", 1, 0))
	ann.do("delete", embedded.DeleteUser, id("eve"))
	ann.do("update", embedded.UpdateUser, join(id("ann"), []byte{0, 0}))
	ann.do("permissions", embedded.UpdatePermissions, join(id("ann"), []byte{0}))
	ann.do("password of another", embedded.ChangePassword, join(id("eve"), name("secret"), name("other")))
	ann.do("password, wrong", embedded.ChangePassword, join(id("ann"), name("secrets"), name("other")))
	ann.do("password, short", embedded.ChangePassword, join(id("ann"), name("secret"), name("o")))
	ann.do("password", embedded.ChangePassword, join(id("ann"), name("secret"), name("other")))
	login("old password", "ann", "secret")
	login("new password", "ann", "other")
	a.do("password of another", embedded.ChangePassword, join(id("ann"), name("other"), name("third")))
	a.do("password of missing", embedded.ChangePassword, join(id("missing"), name("other"), name("third")))

	a.do("rename", embedded.UpdateUser, join(id("bob"), []byte{1}, name(s.name("rob")), []byte{0}))
	s.users = append(s.users, s.name("rob"))
	a.do("rename to other", embedded.UpdateUser, join(id("rob"), []byte{1}, name(s.name("ann")), []byte{0}))
	a.do("rename to itself", embedded.UpdateUser, join(id("rob"), []byte{1}, name(s.name("rob")), []byte{0}))
	a.do("rename short", embedded.UpdateUser, join(id("rob"), []byte{1}, name("ab"), []byte{0}))
	a.do("activate", embedded.UpdateUser, join(id("rob"), []byte{0, 1, 1}))
	a.do("status 9", embedded.UpdateUser, join(id("rob"), []byte{0, 1, 9}))
	a.do("update missing", embedded.UpdateUser, join(id("bob"), []byte{0, 0}))
	login("active now", "rob", "secret")
	a.do("permissions", embedded.UpdatePermissions, join(id("ann"), []byte{1}, u32(uint32(len(perms))), perms))
	a.do("permissions of root", embedded.UpdatePermissions, join(ident(s.target.username), []byte{0}))
	a.do("permissions of missing", embedded.UpdatePermissions, join(id("missing"), []byte{0}))
	a.do("get", embedded.GetUser, id("ann"))
	a.do("none again", embedded.UpdatePermissions, join(id("ann"), []byte{0}))
	a.do("delete root", embedded.DeleteUser, ident(s.target.username))
	a.do("delete missing", embedded.DeleteUser, id("missing"))
	a.do("delete", embedded.DeleteUser, id("ann"))
	ann.do("ping of a deleted user", embedded.Ping, nil)
	ann.do("streams of a deleted user", embedded.GetStreams, nil)
	ann.do("herself, deleted", embedded.GetUser, id("ann"))
	ann.do("tokens of a deleted user", embedded.GetTokens, nil)
	ann.do("me, deleted", embedded.GetMe, nil)
	ann2 := s.peer("stranger")
	for _, code := range []embedded.Command{
		embedded.GetMe, embedded.GetClients, embedded.GetUsers, embedded.GetStreams, embedded.LogoutUser, embedded.GetTokens,
		embedded.GetStats, embedded.GetClusterMetadata,
	} {
		ann2.do("without login", code, nil)
	}
	ann2.do("without login", embedded.GetStream, id("x"))
	ann2.do("without login, not decoded", embedded.GetStream, []byte{9})
	a.do("log out", embedded.LogoutUser, nil)
	a.do("log out again", embedded.LogoutUser, nil)
	a.login()
	a.do("client 0", embedded.GetClient, u32(0))
	a.do("client truncated", embedded.GetClient, []byte{1})
}

func scriptPermissions(s *script) {
	a := s.admin
	st, other := s.stream("s"), s.stream("other")
	t := s.topic(st, "t", 1)
	s.topic(st, "u", 1)
	a.quiet(embedded.CreateGroup, join(st, t, name("g")))
	info := a.quiet(embedded.GetStream, st)
	streamNumber := info[0:4]
	s.users = append(s.users, s.name("per"))
	a.quiet(embedded.CreateUser, join(name(s.name("per")), name("secret"), []byte{1, 0}))
	p := s.peer("per")
	p.do("login", embedded.LoginUser, loginBody(s.name("per"), "secret"))
	try := func(label string) {
		body := func(parts ...[]byte) []byte { return join(parts...) }
		p.do(label, embedded.GetStats, nil)
		if answer := p.quiet(embedded.GetUsers, nil); len(answer) == 0 {
			s.note("no users: %s", label)
		}
		if answer := p.quiet(embedded.GetStreams, nil); len(answer) == 0 {
			s.note("no streams: %s", label)
		}
		p.do(label, embedded.GetStream, st)
		p.do(label, embedded.GetTopic, body(st, t))
		p.do(label, embedded.GetTopics, st)
		p.do(label, embedded.GetTopic, body(other, t))
		p.do(label, embedded.GetGroup, body(st, t, ident("g")))
		p.do(label, embedded.GetGroups, body(st, t))
		p.do(label, embedded.JoinGroup, body(st, t, ident("g")))
		p.do(label, embedded.LeaveGroup, body(st, t, ident("g")))
		p.do(label, embedded.PollMessages, pollBody(single("c"), st, t, 0, 3, 0, 1, 0))
		p.do(label, embedded.PollMessages, pollBody(single("c"), st, ident("u"), 0, 3, 0, 1, 0))
		p.do(label, embedded.GetOffset, body(single("c"), st, t, part(0)))
		p.do(label, embedded.StoreOffset, body(single("c"), st, t, part(0), u64(0)))
		p.do(label, embedded.DeleteOffset, body(single("c"), st, t, part(0)))
		p.do(label, embedded.SendMessages, sendBody(st, t, balanced))
		p.do(label, embedded.UpdateTopic, body(st, t, []byte{1}, u64(0), u64(0), []byte{1}, name("t")))
		p.do(label, embedded.CreatePartitions, body(st, t, u32(0)))
		p.do(label, embedded.DeletePartitions, body(st, t, u32(50)))
		p.do(label, embedded.DeleteSegments, body(st, t, u32(0), u32(1)))
		p.do(label, embedded.FlushUnsavedBuffer, body(st, t, u32(0), []byte{0}))
		p.do(label, embedded.PurgeTopic, body(st, ident("u")))
		p.do(label, embedded.CreateTopic, topicBody(st, 1, 1, 0, 1, 0, "small"))
		p.do(label, embedded.UpdateStream, body(st, name(s.name("other"))))
		p.do(label, embedded.PurgeStream, st)
		p.do(label, embedded.CreateStream, name(s.name("other")))
		p.do(label, embedded.DeleteUser, ident(s.name("missing")))
	}
	try("none")
	grant := func(permissions []byte) {
		a.quiet(embedded.UpdatePermissions, join(ident(s.name("per")), []byte{1}, u32(uint32(len(permissions))), permissions))
	}
	names := []string{
		"manage servers", "read servers", "manage users", "read users", "manage streams", "read streams", "manage topics",
		"read topics", "poll messages", "send messages",
	}
	for i, label := range names {
		global := make([]byte, 11)
		global[i] = 1
		grant(global)
		try(label)
	}
	names = []string{"manage stream", "read stream", "manage topics", "read topics", "poll messages", "send messages"}
	for i, label := range names {
		flags := make([]byte, 6)
		flags[i] = 1
		grant(join(make([]byte, 10), []byte{1}, streamNumber, flags, []byte{0, 0}))
		try("stream: " + label)
	}
	names = []string{"manage topic", "read topic", "poll messages", "send messages"}
	for i, label := range names {
		flags := make([]byte, 4)
		flags[i] = 1
		grant(join(make([]byte, 10), []byte{1}, streamNumber, make([]byte, 6), []byte{1}, u32(0), flags, []byte{0, 0}))
		try("topic: " + label)
	}
}

func scriptTokens(s *script) {
	s.users = append(s.users, s.name("tom"))
	all := []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}
	s.admin.quiet(embedded.CreateUser, join(name(s.name("tom")), name("secret"), []byte{1, 1}, u32(11), all))
	p := s.peer("tom")
	p.do("login", embedded.LoginUser, loginBody(s.name("tom"), "secret"))
	p.do("none", embedded.GetTokens, nil)
	create := func(label, n string, life uint64) []byte {
		return p.do(label, embedded.CreateToken, join(name(n), u64(life)))
	}
	forever := create("for ever", "ever", 0)
	p.do("one", embedded.GetTokens, nil)
	create("again", "ever", 0)
	create("short name", "ab", 0)
	create("long name", strings.Repeat("n", 31), 0)
	create("longest name", strings.Repeat("n", 30), 1<<64-1)
	p.do("truncated", embedded.CreateToken, join(name("trunc"), u32(0)))
	short := create("a microsecond", "short", 1)
	hour := create("an hour", "hour", 3_600_000_000)
	p.do("delete", embedded.DeleteToken, name(strings.Repeat("n", 30)))
	p.do("delete again", embedded.DeleteToken, name(strings.Repeat("n", 30)))
	login := func(label string, token []byte) *peer {
		q := s.peer("by token")
		q.do(label, embedded.LoginWithToken, token)
		return q
	}
	login("for ever", forever).do("tokens", embedded.GetClusterMetadata, nil)
	login("hour", hour)
	login("expired", short)
	login("unknown", name("nonsense"))
	login("empty", []byte{0})
	login("truncated", []byte{9, 1})
	p.do("delete", embedded.DeleteToken, name("ever"))
	login("deleted", forever)
	s.admin.quiet(embedded.UpdateUser, join(ident(s.name("tom")), []byte{0, 1, 2}))
	login("inactive user", hour)
}

func scriptFrames(s *script) {
	p := s.member("frames")
	for _, code := range []embedded.Command{0, 2, 13, 30, 40, 103, 400, 401, 404, 606, 700, 1 << 31} {
		p.do("unknown", code, []byte("body"))
	}
	p.raw("length 0", embedded.Ping, join(u32(0), u32(1)))
	p.raw("length 3", embedded.Ping, join(u32(3), u32(1)))
	p.do("body of a ping", embedded.Ping, []byte("ignored"))
	p.do("body of a command without one", embedded.GetMe, []byte("ignored"))
	p.raw("two at once", embedded.Ping, join(frame(embedded.Ping, nil), frame(embedded.Ping, nil)))
	_, _, err := p.c.tryReceive()
	require.NoError(s.t, err)
	s.once("snapshot, compression 0", embedded.GetSnapshot, []byte{0, 1, 1})
	s.once("snapshot, compression 9", embedded.GetSnapshot, []byte{9, 1, 1})
	s.once("snapshot, unknown part", embedded.GetSnapshot, []byte{1, 1, 99})
	s.once("snapshot, all and more", embedded.GetSnapshot, []byte{1, 2, 100, 1})
	s.once("snapshot, truncated", embedded.GetSnapshot, []byte{1, 2, 1})
	big := s.member("big")
	big.raw("control frame of 10 MiB and a byte", embedded.GetStream, join(u32(4+10<<20+1), u32(200)))
	stranger := s.peer("stranger")
	stranger.do("ping without login", embedded.Ping, nil)
	stranger.do("unknown without login", 999, nil)
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
