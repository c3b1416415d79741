package embedded_test

import (
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func scriptFrames(s *script) {
	p := s.login("frames")
	for _, code := range []embedded.Command{0, 2, 13, 30, 40, 103, 400, 401, 404, 606, 700, 1 << 31} {
		p.call("unknown", code, []byte("body"))
	}
	p.sendRaw("length 0", embedded.Ping, join(u32(0), u32(1)))
	p.sendRaw("length 3", embedded.Ping, join(u32(3), u32(1)))
	p.call("body of a ping", embedded.Ping, []byte("ignored"))
	p.call("body of a command without one", embedded.GetMe, []byte("ignored"))
	p.sendRaw("two at once", embedded.Ping, join(frame(embedded.Ping, nil), frame(embedded.Ping, nil)))
	_, _, err := p.c.tryReceive()
	require.NoError(s.t, err)
	s.callOnce("snapshot, compression 0", embedded.GetSnapshot, []byte{0, 1, 1})
	s.callOnce("snapshot, compression 9", embedded.GetSnapshot, []byte{9, 1, 1})
	s.callOnce("snapshot, unknown part", embedded.GetSnapshot, []byte{1, 1, 99})
	s.callOnce("snapshot, all and more", embedded.GetSnapshot, []byte{1, 2, 100, 1})
	s.callOnce("snapshot, truncated", embedded.GetSnapshot, []byte{1, 2, 1})
	big := s.login("big")
	big.sendRaw("control frame of 10 MiB and a byte", embedded.GetStream, join(u32(4+10<<20+1), u32(200)))
	stranger := s.connect("stranger")
	stranger.call("ping without login", embedded.Ping, nil)
	stranger.call("unknown without login", 999, nil)
}
