package embedded_test

import (
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func scriptFrames(s *script) {
	p := s.member("frames")
	for _, code := range []embedded.Command{0, 2, 13, 30, 40, 103, 400, 401, 404, 606, 700, 1 << 31} {
		p.do("unknown", code, []byte("body"))
	}
	p.raw("length 0", embedded.Ping, join(u32(0), u32(1)))
	p.raw("length 3", embedded.Ping, join(u32(3), u32(1)))
	p.do("body of a ping", embedded.Ping, []byte("ignored"))
	p.do("body of a command without one", embedded.GetMe, []byte("ignored"))
	p.raw("two at once", embedded.Ping, join(frame(embedded.Ping, nil), frame(embedded.Ping, nil)))
	_, _, err := p.c.tryReceive()
	require.NoError(s.t, err)
	s.once("snapshot, compression 0", embedded.GetSnapshot, []byte{0, 1, 1})
	s.once("snapshot, compression 9", embedded.GetSnapshot, []byte{9, 1, 1})
	s.once("snapshot, unknown part", embedded.GetSnapshot, []byte{1, 1, 99})
	s.once("snapshot, all and more", embedded.GetSnapshot, []byte{1, 2, 100, 1})
	s.once("snapshot, truncated", embedded.GetSnapshot, []byte{1, 2, 1})
	big := s.member("big")
	big.raw("control frame of 10 MiB and a byte", embedded.GetStream, join(u32(4+10<<20+1), u32(200)))
	stranger := s.peer("stranger")
	stranger.do("ping without login", embedded.Ping, nil)
	stranger.do("unknown without login", 999, nil)
}
