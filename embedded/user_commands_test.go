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
	ann.call("own user, deleted", embedded.GetUser, id("ann"))
	ann.call("tokens of a deleted user", embedded.GetTokens, nil)
	ann.call("me, deleted", embedded.GetMe, nil)
	ann2 := s.connect("anonymous")
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
