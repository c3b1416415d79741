package embedded_test

import (
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

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
	store("no partition named: next of its own", g, -1, 0)
	drop("no partition named: next of its own", g, -1)
	store("partition that does not exist", g, 7, 0)
	drop("member", g, 1)
	drop("member, again", g, 1)
	a.call("missing group deleted", embedded.DeleteGroup, join(st, t, ident("nope")))
	store("before the group goes", g, 1, 1)
	a.call("delete group", embedded.DeleteGroup, join(st, t, ident("g")))
	a.call("create again", embedded.CreateGroup, join(st, t, name("g")))
	get("gone with the group", g, 1)
}
