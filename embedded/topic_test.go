package embedded_test

import (
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func scriptTopics(s *script) {
	a := s.admin
	st := s.stream("s")
	a.call("no partitions", embedded.CreateTopic, topicBody(st, 0, 1, 0, 0, 0, "none"))
	a.call("partitions", embedded.CreateTopic, topicBody(st, 3, 2, 1, 0, 3, "three"))
	a.call("too many", embedded.CreateTopic, topicBody(st, 1001, 1, 0, 0, 0, "many"))
	a.call("compression 0", embedded.CreateTopic, topicBody(st, 1, 0, 0, 0, 0, "c0"))
	a.call("compression 3", embedded.CreateTopic, topicBody(st, 1, 3, 0, 0, 0, "c3"))
	a.call("never expires", embedded.CreateTopic, topicBody(st, 1, 1, 1<<64-1, 1<<64-1, 255, "never"))
	a.call("small", embedded.CreateTopic, topicBody(st, 1, 1, 0, 1<<30-1, 0, "small"))
	a.call("just enough", embedded.CreateTopic, topicBody(st, 1, 1, 0, 1<<30, 0, "enough"))
	a.call("again", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, "three"))
	a.call("again and small", embedded.CreateTopic, topicBody(st, 1, 1, 0, 1, 0, "three"))
	a.call("empty name", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, ""))
	a.call("missing stream", embedded.CreateTopic, topicBody(ident(s.name("missing")), 1, 1, 0, 0, 0, "t"))
	a.call("missing stream, compression 0", embedded.CreateTopic, topicBody(ident(s.name("missing")), 1, 0, 0, 0, 0, "t"))
	a.call("truncated", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, "t")[:30])
	a.call("get", embedded.GetTopic, join(st, ident("three")))
	a.call("get by number", embedded.GetTopic, join(st, number(1)))
	a.call("get missing", embedded.GetTopic, join(st, ident("missing")))
	a.call("get of missing stream", embedded.GetTopic, join(ident(s.name("missing")), ident("missing")))
	a.call("list", embedded.GetTopics, st)
	a.call("list of missing", embedded.GetTopics, ident(s.name("missing")))
	a.call("stream", embedded.GetStream, st)

	update := func(topic []byte, compression byte, expiry, size uint64, n string) []byte {
		return join(st, topic, []byte{compression}, u64(expiry), u64(size), []byte{0}, name(n))
	}
	a.call("update", embedded.UpdateTopic, update(ident("three"), 1, 0, 5, "renamed"))
	a.call("updated", embedded.GetTopic, join(st, ident("renamed")))
	a.call("update to other", embedded.UpdateTopic, update(ident("renamed"), 1, 0, 0, "never"))
	a.call("update missing", embedded.UpdateTopic, update(ident("three"), 1, 0, 0, "x"))
	a.call("update compression", embedded.UpdateTopic, update(ident("renamed"), 7, 0, 0, "x"))

	add := func(t []byte, n uint32) []byte { return join(st, t, u32(n)) }
	a.call("add none", embedded.CreatePartitions, add(ident("renamed"), 0))
	a.call("add too many", embedded.CreatePartitions, add(ident("renamed"), 1001))
	a.call("add", embedded.CreatePartitions, add(ident("renamed"), 2))
	a.call("add to missing", embedded.CreatePartitions, add(ident("missing"), 2))
	a.call("remove none", embedded.DeletePartitions, add(ident("renamed"), 0))
	a.call("remove too many", embedded.DeletePartitions, add(ident("renamed"), 6))
	a.call("remove", embedded.DeletePartitions, add(ident("renamed"), 4))
	a.call("remove from missing", embedded.DeletePartitions, add(ident("missing"), 2))
	a.call("left", embedded.GetTopic, join(st, ident("renamed")))
	a.call("remove the last", embedded.DeletePartitions, add(ident("renamed"), 1))
	a.call("none left", embedded.GetTopic, join(st, ident("renamed")))
	a.call("send balanced to none", embedded.SendMessages, sendBody(st, ident("renamed"), balanced, message(1, "x", "")))

	a.call("segments", embedded.DeleteSegments, join(st, ident("enough"), u32(0), u32(1)))
	a.call("segments of missing partition", embedded.DeleteSegments, join(st, ident("enough"), u32(9), u32(1)))
	a.call("segments of missing topic", embedded.DeleteSegments, join(st, ident("missing"), u32(0), u32(1)))
	a.call("flush", embedded.FlushUnsavedBuffer, join(st, ident("enough"), u32(0), []byte{1}))
	a.call("flush missing partition", embedded.FlushUnsavedBuffer, join(st, ident("enough"), u32(7), []byte{1}))
	a.call("flush missing topic", embedded.FlushUnsavedBuffer, join(st, ident("missing"), u32(0), []byte{1}))

	a.call("delete", embedded.DeleteTopic, join(st, ident("none")))
	a.call("delete missing", embedded.DeleteTopic, join(st, ident("none")))
	a.call("takes the free number", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, "reused"))
}

func scriptPurge(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 2)
	a := s.admin
	send := func(n uint64) {
		a.call("send", embedded.SendMessages, sendBody(st, t, toPartition(0), message(n, "a", ""), message(n+1, "b", "")))
	}
	who := single("c")
	first := func(label string) {
		a.call(label, embedded.PollMessages, pollBody(who, st, t, 0, 3, 0, 10, 0))
	}
	send(1)
	a.call("store", embedded.StoreOffset, join(who, st, t, part(0), u64(1)))
	// On the real server, what is not written to its disk yet survives a purge, with new offsets.
	// The flush makes both servers answer the same.
	a.call("flush", embedded.FlushUnsavedBuffer, join(st, t, u32(0), []byte{0}))
	a.call("purge", embedded.PurgeTopic, join(st, t))
	a.call("topic", embedded.GetTopic, join(st, t))
	a.call("offset", embedded.GetOffset, join(who, st, t, part(0)))
	first("empty")
	a.call("store in the emptied", embedded.StoreOffset, join(who, st, t, part(0), u64(0)))
	send(3)
	first("numbered from 0")
	a.call("topic", embedded.GetTopic, join(st, t))
	a.call("flush", embedded.FlushUnsavedBuffer, join(st, t, u32(0), []byte{0}))
	a.call("purge stream", embedded.PurgeStream, st)
	first("empty")
	a.call("stream", embedded.GetStream, st)
	a.call("purge missing", embedded.PurgeTopic, join(st, ident("missing")))
	send(5)
	a.call("delete", embedded.DeleteTopic, join(st, t))
	s.topic(st, "t", 2)
	first("a topic of the same name starts empty")
}

// scriptPurgeUnsaved purges a topic whose messages the server has not written to its disk yet. With
// default settings the real server keeps them.
func scriptPurgeUnsaved(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 2)
	a := s.admin
	who := single("c")
	n := uint64(0)
	send := func(partition uint32, payloads ...string) {
		var batch [][]byte
		for _, p := range payloads {
			n++
			batch = append(batch, message(n, p, ""))
		}
		a.call("send", embedded.SendMessages, sendBody(st, t, toPartition(partition), batch...))
	}
	show := func(label string, partition int) {
		a.call(label+", topic", embedded.GetTopic, join(st, t))
		a.call(label+", offset", embedded.GetOffset, join(who, st, t, part(partition)))
		poll := func(what string, kind byte, value uint64, count uint32) {
			a.call(label+", "+what, embedded.PollMessages, pollBody(who, st, t, partition, kind, value, count, 0))
		}
		poll("first", 3, 0, 10)
		poll("last", 4, 0, 10)
		poll("last 2", 4, 0, 2)
		poll("from 0", 1, 0, 10)
		poll("from 1", 1, 1, 10)
		poll("from 2", 1, 2, 10)
		poll("from 3", 1, 3, 10)
		poll("from 5", 1, 5, 10)
		poll("one from 1", 1, 1, 1)
		poll("next", 5, 0, 10)
	}
	purge := func() { a.call("purge", embedded.PurgeTopic, join(st, t)) }
	store := func(partition int, offset uint64) {
		a.call("store", embedded.StoreOffset, join(who, st, t, part(partition), u64(offset)))
	}

	send(0, "a", "b", "c")
	send(0, "d")
	store(0, 3)
	purge()
	show("nothing saved", 0)
	store(0, 0)
	send(0, "e")
	show("one more", 0)
	store(0, 0)
	show("offset 0 stored", 0)
	send(0, "f", "g", "h", "i", "j", "k")
	show("seven more", 0)
	purge()
	show("purged again", 0)
	send(0, "l")
	show("after the second purge", 0)

	send(1, "m", "n")
	a.call("flush", embedded.FlushUnsavedBuffer, join(st, t, u32(1), []byte{0}))
	send(1, "o", "p")
	store(1, 3)
	purge()
	show("two of four saved", 1)
	send(1, "q", "r")
	show("two more", 1)
	purge()
	show("second purge", 1)
	send(1, "s", "t", "u", "v", "w")
	show("five more", 1)
}
