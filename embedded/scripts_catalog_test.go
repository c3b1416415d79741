package embedded_test

import (
	"strings"

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
	a.do("flush missing partition", embedded.FlushUnsavedBuffer, join(st, ident("enough"), u32(7), []byte{1}))
	a.do("flush missing topic", embedded.FlushUnsavedBuffer, join(st, ident("missing"), u32(0), []byte{1}))

	a.do("delete", embedded.DeleteTopic, join(st, ident("none")))
	a.do("delete missing", embedded.DeleteTopic, join(st, ident("none")))
	a.do("takes the free number", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, "reborn"))
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
