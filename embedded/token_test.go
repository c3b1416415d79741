package embedded_test

import (
	"strings"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

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
