package embedded_test

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// BenchmarkPoll reads answers of 1,000 messages of 512 bytes without decoding them, on one
// connection.
func BenchmarkPoll(b *testing.B) {
	srv := start(b)
	stream, topic := benchTopic(b, srv)
	c := benchConn(b, srv)
	for range 100 {
		c.send(b, benchFrame(stream, topic))
		status, _ := c.receive(b)
		require.Equal(b, embedded.StatusOK, status)
	}
	buf := make([]byte, 1<<20)
	i := 0
	for b.Loop() {
		f := frame(embedded.PollMessages, pollBody(single("c"), stream, topic, 0, 1, uint64(i%100)*benchMessages, benchMessages, 0))
		_, err := c.Write(f)
		require.NoError(b, err)
		_, err = io.ReadFull(c.r, buf[:8])
		require.NoError(b, err)
		size := binary.LittleEndian.Uint32(buf[4:])
		_, err = io.ReadFull(c.r, buf[:size])
		require.NoError(b, err)
		require.EqualValues(b, benchMessages, binary.LittleEndian.Uint32(buf[12:]))
		i++
	}
	b.SetBytes(benchMessages * (64 + benchPayload))
	b.ReportMetric(float64(b.N)*benchMessages/b.Elapsed().Seconds(), "msgs/s")
}

// scriptPollCursor shows that the real server has two cursors for each member, one in each copy of
// its metadata, and that every change of the metadata switches to the other copy.
func scriptPollCursor(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	a.callQuietly(embedded.CreateGroup, join(st, t, name("g")))
	one := s.login("one")
	one.callQuietly(embedded.JoinGroup, join(st, t, ident("g")))
	pollThree := func(label string) {
		for range 3 {
			one.call(label, embedded.PollMessages, pollBody(grouped("g"), st, t, -1, 1, 1<<62, 1, 0))
		}
	}
	pollThree("at first")
	a.call("change", embedded.CreateGroup, join(st, t, name("x")))
	pollThree("after creating a group")
	a.call("change", embedded.DeleteGroup, join(st, t, ident("x")))
	pollThree("after deleting a group")
	a.call("change", embedded.UpdateTopic, join(st, t, []byte{1}, u64(0), u64(0), []byte{1}, name("t")))
	pollThree("after updating a topic")
	s.topic(st, "u", 3)
	pollThree("after creating a topic")
	s.topic(st, "v", 0)
	pollThree("after creating a topic without partitions")
	a.callQuietly(embedded.DeleteTopic, join(st, ident("v")))
	pollThree("after deleting a topic")
	s.stream("other")
	pollThree("after creating a stream")
	a.callQuietly(embedded.UpdateStream, join(st, name(s.name("t"))))
	s.streams = append(s.streams, s.name("t"))
	st = ident(s.name("t"))
	pollThree("after renaming a stream")
	a.callQuietly(embedded.UpdateStream, join(st, name(s.name("t"))))
	pollThree("after not renaming a stream")
	a.callQuietly(embedded.PurgeStream, ident(s.name("other")))
	pollThree("after purging")
	two := s.login("two")
	two.callQuietly(embedded.JoinGroup, join(st, t, ident("g")))
	pollThree("after another joined, with a handover")
	two.callQuietly(embedded.JoinGroup, join(st, t, ident("g")))
	pollThree("after it joined again")
	two.callQuietly(embedded.LeaveGroup, join(st, t, ident("g")))
	pollThree("after it left")
	two.callQuietly(embedded.LeaveGroup, join(st, t, ident("g")))
	pollThree("after it left again")
	s.users = append(s.users, s.name("usr"))
	a.callQuietly(embedded.CreateUser, join(name(s.name("usr")), name("secret"), []byte{1, 0}))
	pollThree("after creating a user")
	a.callQuietly(embedded.UpdateUser, join(ident(s.name("usr")), []byte{0, 1, 1}))
	pollThree("after updating a user")
	a.callQuietly(embedded.ChangePassword, join(ident(s.name("usr")), name("secret"), name("other")))
	pollThree("after changing a password")
	a.callQuietly(embedded.UpdatePermissions, join(ident(s.name("usr")), []byte{0}))
	pollThree("after changing permissions")
	u := s.connect("usr")
	u.callQuietly(embedded.LoginUser, loginBody(s.name("usr"), "other"))
	pollThree("after a login")
	u.callQuietly(embedded.CreateToken, join(name("token"), u64(0)))
	pollThree("after creating a token")
	u.callQuietly(embedded.DeleteToken, name("token"))
	pollThree("after deleting a token")
	a.callQuietly(embedded.DeleteUser, ident(s.name("usr")))
	pollThree("after deleting a user")
	one.callQuietly(embedded.SendMessages, sendBody(st, t, balanced, message(1, "x", "")))
	pollThree("after a send")
	a.callQuietly(embedded.CreatePartitions, join(st, t, u32(1)))
	pollThree("after adding a partition")
	a.callQuietly(embedded.DeletePartitions, join(st, t, u32(1)))
	pollThree("after removing a partition")
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
