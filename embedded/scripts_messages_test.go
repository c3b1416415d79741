package embedded_test

import (
	"strings"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func scriptSend(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	m := message(1, "payload", "")
	for _, key := range []string{"a", "job-1", "a rather long key that has more than sixteen bytes"} {
		a.call("by key "+key, embedded.SendMessages, sendBody(st, t, byKey(key), m))
	}
	for range 6 {
		a.call("balanced", embedded.SendMessages, sendBody(st, t, balanced, m))
	}
	a.call("with headers", embedded.SendMessages, sendBody(st, t, toPartition(3), message(2, "p", "headers that are none"), m))
	a.call("empty payload", embedded.SendMessages, sendBody(st, t, toPartition(3), message(3, "", "")))
	a.call("empty key", embedded.SendMessages, sendBody(st, t, noKey, m))
	a.call("topic", embedded.GetTopic, join(st, t))
	for p := range 4 {
		a.call("held", embedded.PollMessages, pollBody(single("c"), st, t, p, 3, 0, 100, 0))
	}

	index := func(offset, end uint32, ts uint64) []byte { return join(u32(offset), u32(end), u64(ts)) }
	full := uint32(len(m))
	send := func(label string, body []byte) { s.callOnce(label, embedded.SendMessages, body) }
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
	stranger := s.connect("stranger")
	stranger.call("without login", embedded.SendMessages, nil)
	send("only 20 bits count", sendBody(st, t, toPartition(7<<20+2), m))
	a.call("topic after all that", embedded.GetTopic, join(st, t))
}

func scriptPoll(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 2)
	a := s.admin
	for n := uint64(1); n <= 5; n++ {
		a.callQuietly(embedded.SendMessages, sendBody(st, t, toPartition(0), message(2*n, "first", ""), message(2*n+1, "second", "")))
	}
	who := single("c")
	poll := func(label string, p int, kind byte, value uint64, count uint32, commit byte) {
		a.call(label, embedded.PollMessages, pollBody(who, st, t, p, kind, value, count, commit))
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
	a.call("partition behind a flag that is not 1", embedded.PollMessages,
		join(who, st, t, []byte{2}, u32(1), []byte{3}, u64(0), u32(1), []byte{0}))
	poll("empty partition", 1, 3, 0, 1, 0)
	poll("empty partition, next", 1, 5, 0, 1, 1)
	poll("empty partition, last", 1, 4, 0, 1, 0)
	poll("empty partition, offset 0", 1, 1, 0, 1, 0)
	poll("empty partition, offset 1", 1, 1, 1, 1, 0)
	poll("empty partition, time", 1, 2, 0, 1, 0)
	poll("missing partition", 2, 3, 0, 1, 0)
	poll("missing partition, none", 2, 3, 0, 0, 0)
	poll("only 20 bits count", 1<<20, 3, 0, 1, 0)
	poll("kind 0", 0, 0, 0, 1, 0)
	poll("kind 6", 0, 6, 0, 1, 0)
	a.call("numeric consumer", embedded.PollMessages, pollBody(append([]byte{1}, number(7)...), st, t, 0, 5, 0, 1, 1))
	a.call("numeric consumer again", embedded.PollMessages, pollBody(append([]byte{1}, number(7)...), st, t, 0, 5, 0, 1, 0))
	a.call("consumer of kind 3", embedded.PollMessages, pollBody(append([]byte{3}, number(7)...), st, t, 0, 5, 0, 1, 0))
	a.call("missing topic", embedded.PollMessages, pollBody(who, st, ident("missing"), 0, 5, 0, 1, 0))
	a.call("missing stream", embedded.PollMessages, pollBody(who, ident(s.name("missing")), t, 0, 5, 0, 1, 0))
	a.call("missing group", embedded.PollMessages, pollBody(grouped("missing"), st, t, 0, 5, 0, 1, 0))
	a.call("truncated", embedded.PollMessages, pollBody(who, st, t, 0, 5, 0, 1, 0)[:40])
}

func scriptOffsets(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 3)
	a := s.admin
	a.callQuietly(embedded.SendMessages, sendBody(st, t, toPartition(1), message(1, "a", ""), message(2, "b", ""), message(3, "c", "")))
	get := func(label string, who []byte, p int) {
		a.call(label, embedded.GetOffset, join(who, st, t, part(p)))
	}
	store := func(label string, who []byte, p int, offset uint64) {
		a.call(label, embedded.StoreOffset, join(who, st, t, part(p), u64(offset)))
	}
	drop := func(label string, who []byte, p int) {
		a.call(label, embedded.DeleteOffset, join(who, st, t, part(p)))
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
	a.call("missing topic", embedded.GetOffset, join(c, st, ident("missing"), part(0)))
	a.call("missing stream", embedded.GetOffset, join(c, ident(s.name("missing")), t, part(0)))
	a.call("store in missing topic", embedded.StoreOffset, join(c, st, ident("missing"), part(0), u64(0)))
	a.call("delete in missing topic", embedded.DeleteOffset, join(c, st, ident("missing"), part(0)))

	g := grouped("g")
	get("missing group", g, 1)
	store("missing group", g, 1, 0)
	drop("missing group", g, 1)
	a.call("create", embedded.CreateGroup, join(st, t, name("g")))
	get("not a member", g, 1)
	store("not a member", g, 1, 0)
	drop("not a member", g, 1)
	a.call("join", embedded.JoinGroup, join(st, t, ident("g")))
	store("member", g, 1, 2)
	get("member", g, 1)
	get("member, no partition named", g, -1)
	store("no partition named: turn", g, -1, 0)
	drop("no partition named: turn", g, -1)
	store("partition that does not exist", g, 7, 0)
	drop("member", g, 1)
	drop("member, again", g, 1)
	a.call("missing group deleted", embedded.DeleteGroup, join(st, t, ident("nope")))
	store("before the group goes", g, 1, 1)
	a.call("delete group", embedded.DeleteGroup, join(st, t, ident("g")))
	a.call("create anew", embedded.CreateGroup, join(st, t, name("g")))
	get("gone with the group", g, 1)
}
