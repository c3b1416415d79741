package embedded_test

import (
	"strings"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func scriptUsers(s *script) {
	a := s.admin
	user := func(n, password string, status byte, rest ...byte) []byte {
		return join(name(s.name(n)), name(password), []byte{status}, rest)
	}
	id := func(n string) []byte { return ident(s.name(n)) }
	s.users = append(s.users, s.name("ann"), s.name("bob"), s.name("eve"))
	a.call("create", embedded.CreateUser, user("ann", "secret", 1, 0))
	a.call("again", embedded.CreateUser, user("ann", "secret", 1, 0))
	a.call("inactive", embedded.CreateUser, user("bob", "secret", 2, 0))
	a.call("status 0", embedded.CreateUser, user("x", "secret", 0, 0))
	a.call("status 3", embedded.CreateUser, user("x", "secret", 3, 0))
	a.call("short name", embedded.CreateUser, join(name("ab"), name("secret"), []byte{1, 0}))
	a.call("long name", embedded.CreateUser, join(name(strings.Repeat("n", 51)), name("secret"), []byte{1, 0}))
	a.call("short password", embedded.CreateUser, user("x", "ab", 1, 0))
	a.call("long password", embedded.CreateUser, user("x", strings.Repeat("p", 101), 1, 0))
	a.call("lying length of permissions", embedded.CreateUser, user("x", "secret", 1, join([]byte{1}, u32(5), make([]byte, 11))...))
	a.call("truncated permissions", embedded.CreateUser, user("x", "secret", 1, join([]byte{1}, u32(11), make([]byte, 10))...))
	perms := join([]byte{0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1}, u32(3), []byte{0, 1, 0, 1, 0, 1, 1}, u32(2), []byte{1, 0, 1, 0, 0, 1},
		u32(1), []byte{0, 0, 0, 0, 1, 0, 0, 0})
	a.call("with permissions", embedded.CreateUser, user("eve", "secret", 1, join([]byte{1}, u32(uint32(len(perms))), perms)...))
	a.call("get", embedded.GetUser, id("eve"))
	a.call("get without permissions", embedded.GetUser, id("ann"))
	a.call("get missing", embedded.GetUser, id("missing"))
	a.call("get missing number", embedded.GetUser, number(4_000_000))
	a.call("get root", embedded.GetUser, number(0))

	login := func(label, n, password string) *scriptConn {
		p := s.connect("login")
		p.call(label, embedded.LoginUser, loginBody(s.name(n), password))
		return p
	}
	ann := login("ann", "ann", "secret")
	login("wrong password", "ann", "secrets")
	login("inactive", "bob", "secret")
	login("inactive, wrong password", "bob", "secrets")
	login("missing", "missing", "secret")
	p := s.connect("login")
	p.call("short name", embedded.LoginUser, loginBody("ab", "secret"))
	p.call("short password", embedded.LoginUser, loginBody("abc", "se"))
	p.call("long password", embedded.LoginUser, loginBody("abc", strings.Repeat("p", 101)))
	p.call("long name", embedded.LoginUser, loginBody(strings.Repeat("p", 51), "secret"))
	p.call("number", embedded.LoginUser, loginBody("4000000", "secret"))
	p.call("truncated", embedded.LoginUser, loginBody("abc", "secret")[:12])
	p.call("empty name", embedded.LoginUser, loginBody("", "secret"))

	ann.call("me", embedded.GetMe, nil)
	ann.call("herself", embedded.GetUser, id("ann"))
	ann.call("someone else", embedded.GetUser, id("eve"))
	ann.call("missing", embedded.GetUser, id("missing"))
	ann.call("all", embedded.GetUsers, nil)
	ann.call("create", embedded.CreateUser, user("x", "secret", 1, 0))
	ann.call("create, invalid", embedded.CreateUser, user("x", "s", 1, 0))
	ann.call("delete", embedded.DeleteUser, id("eve"))
	ann.call("update", embedded.UpdateUser, join(id("ann"), []byte{0, 0}))
	ann.call("permissions", embedded.UpdatePermissions, join(id("ann"), []byte{0}))
	ann.call("password of another", embedded.ChangePassword, join(id("eve"), name("secret"), name("other")))
	ann.call("password, wrong", embedded.ChangePassword, join(id("ann"), name("secrets"), name("other")))
	ann.call("password, short", embedded.ChangePassword, join(id("ann"), name("secret"), name("o")))
	ann.call("password", embedded.ChangePassword, join(id("ann"), name("secret"), name("other")))
	login("old password", "ann", "secret")
	login("new password", "ann", "other")
	a.call("password of another", embedded.ChangePassword, join(id("ann"), name("other"), name("third")))
	a.call("password of missing", embedded.ChangePassword, join(id("missing"), name("other"), name("third")))

	a.call("rename", embedded.UpdateUser, join(id("bob"), []byte{1}, name(s.name("rob")), []byte{0}))
	s.users = append(s.users, s.name("rob"))
	a.call("rename to other", embedded.UpdateUser, join(id("rob"), []byte{1}, name(s.name("ann")), []byte{0}))
	a.call("rename to itself", embedded.UpdateUser, join(id("rob"), []byte{1}, name(s.name("rob")), []byte{0}))
	a.call("rename short", embedded.UpdateUser, join(id("rob"), []byte{1}, name("ab"), []byte{0}))
	a.call("activate", embedded.UpdateUser, join(id("rob"), []byte{0, 1, 1}))
	a.call("status 9", embedded.UpdateUser, join(id("rob"), []byte{0, 1, 9}))
	a.call("update missing", embedded.UpdateUser, join(id("bob"), []byte{0, 0}))
	login("active now", "rob", "secret")
	a.call("permissions", embedded.UpdatePermissions, join(id("ann"), []byte{1}, u32(uint32(len(perms))), perms))
	a.call("permissions of root", embedded.UpdatePermissions, join(ident(s.target.username), []byte{0}))
	a.call("permissions of missing", embedded.UpdatePermissions, join(id("missing"), []byte{0}))
	a.call("get", embedded.GetUser, id("ann"))
	a.call("none again", embedded.UpdatePermissions, join(id("ann"), []byte{0}))
	a.call("delete root", embedded.DeleteUser, ident(s.target.username))
	a.call("delete missing", embedded.DeleteUser, id("missing"))
	a.call("delete", embedded.DeleteUser, id("ann"))
	ann.call("ping of a deleted user", embedded.Ping, nil)
	ann.call("streams of a deleted user", embedded.GetStreams, nil)
	ann.call("herself, deleted", embedded.GetUser, id("ann"))
	ann.call("tokens of a deleted user", embedded.GetTokens, nil)
	ann.call("me, deleted", embedded.GetMe, nil)
	ann2 := s.connect("stranger")
	for _, code := range []embedded.Command{
		embedded.GetMe, embedded.GetClients, embedded.GetUsers, embedded.GetStreams, embedded.LogoutUser, embedded.GetTokens,
		embedded.GetStats, embedded.GetClusterMetadata,
	} {
		ann2.call("without login", code, nil)
	}
	ann2.call("without login", embedded.GetStream, id("x"))
	ann2.call("without login, not decoded", embedded.GetStream, []byte{9})
	a.call("log out", embedded.LogoutUser, nil)
	a.call("log out again", embedded.LogoutUser, nil)
	a.login()
	a.call("client 0", embedded.GetClient, u32(0))
	a.call("client truncated", embedded.GetClient, []byte{1})
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
		body := func(parts ...[]byte) []byte { return join(parts...) }
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

func scriptTokens(s *script) {
	s.users = append(s.users, s.name("tom"))
	all := []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}
	s.admin.callQuietly(embedded.CreateUser, join(name(s.name("tom")), name("secret"), []byte{1, 1}, u32(11), all))
	p := s.connect("tom")
	p.call("login", embedded.LoginUser, loginBody(s.name("tom"), "secret"))
	p.call("none", embedded.GetTokens, nil)
	create := func(label, n string, life uint64) []byte {
		return p.call(label, embedded.CreateToken, join(name(n), u64(life)))
	}
	forever := create("for ever", "ever", 0)
	p.call("one", embedded.GetTokens, nil)
	create("again", "ever", 0)
	create("short name", "ab", 0)
	create("long name", strings.Repeat("n", 31), 0)
	create("longest name", strings.Repeat("n", 30), 1<<64-1)
	p.call("truncated", embedded.CreateToken, join(name("trunc"), u32(0)))
	short := create("a microsecond", "short", 1)
	hour := create("an hour", "hour", 3_600_000_000)
	p.call("delete", embedded.DeleteToken, name(strings.Repeat("n", 30)))
	p.call("delete again", embedded.DeleteToken, name(strings.Repeat("n", 30)))
	login := func(label string, token []byte) *scriptConn {
		q := s.connect("by token")
		q.call(label, embedded.LoginWithToken, token)
		return q
	}
	login("for ever", forever).call("tokens", embedded.GetClusterMetadata, nil)
	login("hour", hour)
	login("expired", short)
	login("unknown", name("nonsense"))
	login("empty", []byte{0})
	login("truncated", []byte{9, 1})
	p.call("delete", embedded.DeleteToken, name("ever"))
	login("deleted", forever)
	s.admin.callQuietly(embedded.UpdateUser, join(ident(s.name("tom")), []byte{0, 1, 2}))
	login("inactive user", hour)
}
