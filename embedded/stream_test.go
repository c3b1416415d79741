package embedded_test

import (
	"strings"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func scriptNames(s *script) {
	a := s.admin
	long := strings.Repeat("x", 255-len(s.prefix))
	for _, n := range []string{"a", long, "with space", "dots.and/slashes", "Üñï"} {
		s.streams = append(s.streams, s.name(n))
		a.call("create "+n, embedded.CreateStream, name(s.name(n)))
	}
	a.call("again", embedded.CreateStream, name(s.name("a")))
	a.call("other case", embedded.CreateStream, name(s.name("A")))
	s.streams = append(s.streams, s.name("A"))
	a.call("empty", embedded.CreateStream, []byte{0})
	a.call("no length", embedded.CreateStream, nil)
	a.call("truncated", embedded.CreateStream, []byte{5, 'a'})
	a.call("not utf-8", embedded.CreateStream, []byte{2, 0xff, 0xfe})
	a.call("get", embedded.GetStream, ident(s.name("a")))
	a.call("get with more bytes", embedded.GetStream, join(ident(s.name("a")), []byte{1, 2, 3}))
	a.call("get missing", embedded.GetStream, ident(s.name("missing")))
	a.call("get missing number", embedded.GetStream, number(4_000_000))
	a.call("kind 0", embedded.GetStream, []byte{0, 4, 1, 0, 0, 0})
	a.call("kind 3", embedded.GetStream, []byte{3, 4, 1, 0, 0, 0})
	a.call("short number", embedded.GetStream, []byte{1, 3, 1, 0, 0})
	a.call("empty name", embedded.GetStream, []byte{2, 0})
	a.call("truncated name", embedded.GetStream, []byte{2, 9, 'a'})
	a.call("not utf-8 name", embedded.GetStream, []byte{2, 2, 0xff, 0xfe})
	a.call("nothing", embedded.GetStream, nil)
	a.call("rename", embedded.UpdateStream, join(ident(s.name("a")), name(s.name("b"))))
	a.call("rename to itself", embedded.UpdateStream, join(ident(s.name("b")), name(s.name("b"))))
	a.call("rename to other", embedded.UpdateStream, join(ident(s.name("b")), name(s.name("A"))))
	a.call("rename missing", embedded.UpdateStream, join(ident(s.name("a")), name(s.name("c"))))
	a.call("rename empty", embedded.UpdateStream, join(ident(s.name("b")), []byte{0}))
	a.call("delete", embedded.DeleteStream, ident(s.name("b")))
	a.call("delete missing", embedded.DeleteStream, ident(s.name("b")))
	a.call("purge missing", embedded.PurgeStream, ident(s.name("b")))
}
