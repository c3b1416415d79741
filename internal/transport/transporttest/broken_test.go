package transporttest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// A connection that ends without calls in flight is noticed.
func testCutIdle(t *testing.T, p *peerSuite) {
	for name, cut := range map[string]func(*peer){
		"closed": func(*peer) {},
		"reset":  func(s *peer) { _ = s.Conn.(*net.TCPConn).SetLinger(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := p.dial(t, func(s *peer) {
				if _, _, err := s.request(); err == nil {
					s.answer(0, nil)
					cut(s)
				}
			})
			require.NoError(t, c.Ping(within(t)))
			requireDone(t, c)
			err := c.Ping(within(t))
			require.False(t, connErrorOf(t, err).Sent)
			require.True(t, iggyerr.IsRetryable(err))
		})
	}
}

// When a connection ends, all calls in flight fail.
func testCutInFlight(t *testing.T, p *peerSuite) {
	const callers = 8
	c := p.dial(t, func(s *peer) { _, _, _ = s.request() })
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			var conn *iggyerr.ConnError
			err := c.Ping(within(t))
			assert.ErrorAs(t, err, &conn)
			assert.True(t, iggyerr.IsRetryable(err))
		})
	}
	wg.Wait()
	requireDone(t, c)
}

// An answer that ends early is an error.
func testHalfAnswers(t *testing.T, p *peerSuite) {
	whole := answerOf(0, polledOf(1, "one", "two"))
	for _, n := range []int{1, 4, 7, 8, 9, 23, 24, 40, len(whole) - 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			c := p.dial(t, func(s *peer) {
				if _, _, err := s.request(); err == nil {
					_, _ = s.Write(whole[:n])
				}
			})
			_, err := c.Poll(within(t), transport.Poll{
				Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: "c"},
				Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10, MaxBytes: 10 * n,
			})
			require.True(t, connErrorOf(t, err).Sent)
			require.True(t, iggyerr.IsRetryable(err))
			requireDone(t, c)
		})
	}
}

// A peer with another protocol gives one clear error that names the supported version and is not
// retryable.
func testForeign(t *testing.T, p *peerSuite) {
	for name, tt := range map[string]struct {
		says, want string
	}{
		"http":     {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP"},
		"tls":      {"\x15\x03\x01\x00\x02\x02\x46", "TLS"},
		"ssh":      {"SSH-2.0-OpenSSH_9.9\r\n", "SSH"},
		"text":     {"hello, who is this?\n", "68 65 6c 6c"},
		"newer":    {strings.Repeat("\xa5", 256), "a5 a5"},
		"overlong": {"\x00\x00\x00\x00\xff\xff\xff\xff", "ff ff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := p.dial(t, func(s *peer) {
				if _, _, err := s.request(); err == nil {
					_, _ = s.Write([]byte(tt.says))
					if len(tt.says) >= transport.AnswerHeaderSize {
						s.drain()
					}
				}
			})
			err := c.Login(within(t), transport.Credentials{Username: "user", Password: "password"})
			require.ErrorIs(t, err, iggyerr.ErrProtocol)
			require.ErrorContains(t, err, "Iggy 0.8")
			require.ErrorContains(t, err, tt.want)
			require.False(t, iggyerr.IsRetryable(err))
			require.True(t, iggyerr.MayHaveEffect(err))
			requireDone(t, c)
			require.ErrorIs(t, c.Err(), iggyerr.ErrProtocol)
		})
	}
}

// A body that does not fit its command breaks the connection.
func testMalformed(t *testing.T, p *peerSuite) {
	who := transport.Consumer{Stream: "s", Topic: "t", Name: "c"}
	group := transport.Group{Stream: "s", Topic: "t", Name: "g"}
	pollAll := func(ctx context.Context, c transport.Conn) error {
		_, err := c.Poll(ctx, transport.Poll{Consumer: who, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10})
		return err
	}
	topic := func(ctx context.Context, c transport.Conn) error { _, err := c.Topic(ctx, "s", "t"); return err }
	members := func(ctx context.Context, c transport.Conn) error { _, err := c.Members(ctx, group); return err }
	offset := func(ctx context.Context, c transport.Conn) error { _, err := c.Offset(ctx, who, 0); return err }
	login := func(ctx context.Context, c transport.Conn) error {
		return c.Login(ctx, transport.Credentials{Username: "user", Password: "password"})
	}
	more := polledOf(1, "one", "two")
	binary.LittleEndian.PutUint32(more[12:], 3)
	long := polledOf(1, "one")
	binary.LittleEndian.PutUint32(long[polledHeaderSize+52:], 1<<31)
	pollFew := func(ctx context.Context, c transport.Conn) error {
		_, err := c.Poll(ctx, transport.Poll{Consumer: who, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10, MaxBytes: 1})
		return err
	}
	undecodable := map[string]bool{"poll with too few": true, "poll with a long payload": true, "poll with a long payload, bounded": true, "poll cut in a message": true}
	for name, tt := range map[string]struct {
		body []byte
		call func(context.Context, transport.Conn) error
	}{
		"login without user":                {nil, login},
		"poll of one byte":                  {[]byte{1}, pollAll},
		"poll cut in its head":              {polledOf(1)[:10], pollAll},
		"poll with too few":                 {more, pollAll},
		"poll with a long payload":          {long, pollAll},
		"poll with a long payload, bounded": {append(long, make([]byte, 100)...), pollFew},
		"poll cut in a message":             {polledOf(1, "one", "two")[:100], pollAll},
		"topic cut in its head":             {make([]byte, 20), topic},
		"topic with a long name":            {append(make([]byte, 50), 200), topic},
		"topic cut in a partition":          {make([]byte, 51+17), topic},
		"group cut in its head":             {make([]byte, 5), members},
		"group cut in a member":             {append(make([]byte, 12), 0, 1, 2, 3), members},
		"group with too many parts":         {append(make([]byte, 13), 1, 0, 0, 0, 9, 0, 0, 0, 1), members},
		"offset cut":                        {make([]byte, 19), offset},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := p.dial(t, func(s *peer) { s.serveAll(tt.body) })
			err := tt.call(within(t), c)
			require.ErrorIs(t, err, iggyerr.ErrProtocol)
			require.False(t, iggyerr.IsRetryable(err))
			requireConnError(t, err)
			requireDone(t, c)
			if undecodable[name] {
				require.ErrorIs(t, err, transport.ErrUndecodable)
				err := c.Ping(within(t))
				require.ErrorIs(t, err, iggyerr.ErrProtocol)
				require.NotErrorIs(t, err, transport.ErrUndecodable)
			} else if !strings.HasPrefix(name, "poll") {
				require.NotErrorIs(t, err, transport.ErrUndecodable)
			}
		})
	}
}

// polledHeaderSize is the size of what precedes the messages in the answer to a poll, in bytes.
const polledHeaderSize = 16

// An answer without a request means that the two ends are out of step.
func testUnexpectedAnswer(t *testing.T, p *peerSuite) {
	t.Run("while idle", func(t *testing.T) {
		t.Parallel()
		c := p.dial(t, func(s *peer) {
			s.answer(0, nil)
			s.drain()
		})
		requireDone(t, c)
		require.ErrorIs(t, c.Err(), iggyerr.ErrProtocol)
	})
	t.Run("behind an answer", func(t *testing.T) {
		t.Parallel()
		c := p.dial(t, func(s *peer) {
			if _, _, err := s.request(); err == nil {
				_, _ = s.Write(append(answerOf(0, nil), answerOf(0, nil)...))
				s.drain()
			}
		})
		_ = c.Ping(within(t)) // its own answer may have come first
		requireDone(t, c)
		require.ErrorIs(t, c.Err(), iggyerr.ErrProtocol)
	})
}

// A huge announced length takes memory only as its bytes come.
func testHugeLength(t *testing.T, p *peerSuite) {
	c := p.dial(t, func(s *peer) {
		if _, _, err := s.request(); err == nil {
			head := make([]byte, transport.AnswerHeaderSize)
			binary.LittleEndian.PutUint32(head[4:], 1<<30)
			_, _ = s.Write(append(head, polledOf(1, "one")...))
			s.drain()
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Poll(shortContext(t), transport.Poll{
		Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: "c"},
		Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10,
	})
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	if p.traits.boundsMemory {
		// Other tests allocate meanwhile, but not as much as was announced.
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<30))
	}
}

// The server answers 40 to a send without reading its body, and closes the connection.
func testRefusedEarly(t *testing.T, p *peerSuite) {
	c := p.dial(t, func(s *peer) {
		head := make([]byte, wire.FrameHeaderSize)
		if _, err := s.r.Read(head); err == nil {
			s.answer(uint32(iggyerr.StatusUnauthenticated), nil)
			// Until the client hangs up, so that the answer is not lost in a reset.
			s.drain()
		}
	})
	var batch wire.Batch
	batch.Append([16]byte{1}, 1, make([]byte, 9<<20), nil)
	err := c.Send(within(t), "s", "t", 0, &batch)
	requireStatus(t, iggyerr.StatusUnauthenticated, err)
	requireDone(t, c)
}
