package transporttest

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// After the server was killed, an answer by time may contain messages, beyond its count, whose
// offsets were given to later messages. They are left out. Other uncounted messages are malformed.
func testSuperseded(t *testing.T, p *peerSuite) {
	answer := func(count uint32, offsets []uint64, payloads ...string) []byte {
		body := polledOf(1, payloads...)
		binary.LittleEndian.PutUint32(body[12:], count)
		at := polledHeaderSize
		for i, offset := range offsets {
			binary.LittleEndian.PutUint64(body[at+24:], offset)
			at += wire.EncodedSize(len(payloads[i]), 0)
		}
		require.Len(t, body, at)
		return body
	}
	for name, tt := range map[string]struct {
		body []byte
		want string
	}{
		"of the same offset":     {answer(1, []uint64{7, 7}, "remains", "seven"), "seven"},
		"of several":             {answer(4, []uint64{6, 7, 8, 7, 8, 9}, "six", "r", "r", "seven", "eight", "nine"), "sixseveneightnine"},
		"of more than came anew": {answer(1, []uint64{0, 1, 2, 0}, "r", "r", "r", "zero"), "zero"},
		"of two ends":            {answer(2, []uint64{3, 3, 4, 4}, "r", "three", "r", "four"), "threefour"},
		"none":                   {answer(1, []uint64{7, 8}, "seven", "eight"), ""},
		"and more":               {answer(1, []uint64{7, 7, 8}, "remains", "seven", "eight"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := p.dial(t, func(s *peer) { s.serveAll(tt.body) })
			polled, err := c.Poll(within(t), transport.Poll{
				Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: "c"}, Strategy: transport.Strategy{Kind: transport.FromTimestamp}, Count: 10,
			})
			if tt.want == "" {
				require.ErrorIs(t, err, iggyerr.ErrProtocol)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, payloads(polled))
		})
	}
}
