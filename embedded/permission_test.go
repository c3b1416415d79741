package embedded_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func FuzzPermissions(f *testing.F) {
	f.Add(make([]byte, 11))
	f.Add(join([]byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, u32(3), []byte{1, 1, 1, 1, 1, 1, 1}, u32(2), []byte{1, 1, 1, 1, 0, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if formed, same := embedded.RoundTripPermissions(b); formed {
			require.True(t, same)
		}
	})
}

func scriptPermissions(s *script) {
	a := s.admin
	st, other := s.stream("s"), s.stream("other")
	t := s.topic(st, "t", 1)
	s.topic(st, "u", 1)
	a.callQuietly(embedded.CreateGroup, join(st, t, name("g")))
	info := a.callQuietly(embedded.GetStream, st)
	streamNumber := info[0:4]
	s.users = append(s.users, s.name("per"))
	a.callQuietly(embedded.CreateUser, join(name(s.name("per")), name("secret"), []byte{1, 0}))
	p := s.connect("per")
	p.call("login", embedded.LoginUser, loginBody(s.name("per"), "secret"))
	try := func(label string) {
		body := join
		p.call(label, embedded.GetStats, nil)
		if answer := p.callQuietly(embedded.GetUsers, nil); len(answer) == 0 {
			s.note("no users: %s", label)
		}
		if answer := p.callQuietly(embedded.GetStreams, nil); len(answer) == 0 {
			s.note("no streams: %s", label)
		}
		p.call(label, embedded.GetStream, st)
		p.call(label, embedded.GetTopic, body(st, t))
		p.call(label, embedded.GetTopics, st)
		p.call(label, embedded.GetTopic, body(other, t))
		p.call(label, embedded.GetGroup, body(st, t, ident("g")))
		p.call(label, embedded.GetGroups, body(st, t))
		p.call(label, embedded.JoinGroup, body(st, t, ident("g")))
		p.call(label, embedded.LeaveGroup, body(st, t, ident("g")))
		p.call(label, embedded.PollMessages, pollBody(single("c"), st, t, 0, 3, 0, 1, 0))
		p.call(label, embedded.PollMessages, pollBody(single("c"), st, ident("u"), 0, 3, 0, 1, 0))
		p.call(label, embedded.GetOffset, body(single("c"), st, t, part(0)))
		p.call(label, embedded.StoreOffset, body(single("c"), st, t, part(0), u64(0)))
		p.call(label, embedded.DeleteOffset, body(single("c"), st, t, part(0)))
		p.call(label, embedded.SendMessages, sendBody(st, t, balanced))
		p.call(label, embedded.UpdateTopic, body(st, t, []byte{1}, u64(0), u64(0), []byte{1}, name("t")))
		p.call(label, embedded.CreatePartitions, body(st, t, u32(0)))
		p.call(label, embedded.DeletePartitions, body(st, t, u32(50)))
		p.call(label, embedded.DeleteSegments, body(st, t, u32(0), u32(1)))
		p.call(label, embedded.FlushUnsavedBuffer, body(st, t, u32(0), []byte{0}))
		p.call(label, embedded.PurgeTopic, body(st, ident("u")))
		p.call(label, embedded.CreateTopic, topicBody(st, 1, 1, 0, 1, 0, "small"))
		p.call(label, embedded.UpdateStream, body(st, name(s.name("other"))))
		p.call(label, embedded.PurgeStream, st)
		p.call(label, embedded.CreateStream, name(s.name("other")))
		p.call(label, embedded.DeleteUser, ident(s.name("missing")))
	}
	try("none")
	grant := func(permissions []byte) {
		a.callQuietly(embedded.UpdatePermissions, join(ident(s.name("per")), []byte{1}, u32(uint32(len(permissions))), permissions))
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
