package embedded_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// target is a server that a script runs against.
type target struct {
	address, username, password string
}

func embeddedTarget(t testing.TB, opts ...embedded.Option) target {
	return target{address: start(t, opts...).Address(), username: "iggy", password: "iggy"}
}

// realTarget returns the server that IGGY_TEST_ENDPOINT names, iggy://user:password@host:port.
// Without it the test is skipped.
func realTarget(t testing.TB) target {
	t.Helper()
	raw := os.Getenv("IGGY_TEST_ENDPOINT")
	if raw == "" {
		t.Skip("IGGY_TEST_ENDPOINT (iggy://user:password@host:port) names no real server: not compared with one")
	}
	u, err := url.Parse(raw)
	require.NoError(t, err)
	password, _ := u.User.Password()
	return target{address: u.Host, username: u.User.Username(), password: password}
}

// script sends frames to a server and writes a transcript of its answers. What is never equal on
// two servers is masked, so that transcripts can be compared.
type script struct {
	t      testing.TB
	target target
	// prefix begins every name that is unique on a server. It has the same length in each run.
	prefix  string
	lines   []string
	admin   *scriptConn
	streams []string
	users   []string
}

// scriptConn is a connection of a script.
type scriptConn struct {
	s    *script
	name string
	c    *testConn
}

const scriptPrefix = "diff-000000000000-"

func newScript(t testing.TB, tg target) *script {
	t.Helper()
	s := &script{t: t, target: tg, prefix: fmt.Sprintf("diff-%012x-", time.Now().UnixNano()&0xffffffffffff)}
	s.admin = s.connect("admin")
	s.admin.login()
	t.Cleanup(func() {
		for _, stream := range s.streams {
			s.admin.callQuietly(embedded.DeleteStream, ident(stream))
		}
		for _, user := range s.users {
			s.admin.callQuietly(embedded.DeleteUser, ident(user))
		}
		_ = s.admin.c.Close()
	})
	return s
}

func (s *script) connect(name string) *scriptConn {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.target.address)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = nc.Close() })
	return &scriptConn{s: s, name: name, c: &testConn{Conn: nc, r: bufio.NewReader(nc)}}
}

// login returns a new connection that is logged in.
func (s *script) login(name string) *scriptConn {
	s.t.Helper()
	p := s.connect(name)
	p.login()
	return p
}

func (p *scriptConn) login() {
	p.callQuietly(embedded.LoginUser, loginBody(p.s.target.username, p.s.target.password))
}

func (s *script) name(n string) string { return s.prefix + n }

// stream creates a stream, which is deleted at the end of the test.
func (s *script) stream(n string) []byte {
	s.streams = append(s.streams, s.name(n))
	s.admin.callQuietly(embedded.CreateStream, name(s.name(n)))
	return ident(s.name(n))
}

func (s *script) topic(stream []byte, n string, partitions uint32) []byte {
	s.admin.callQuietly(embedded.CreateTopic, topicBody(stream, partitions, 1, 0, 0, 0, n))
	return ident(n)
}

func (s *script) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	s.lines = append(s.lines, strings.ReplaceAll(line, hex.EncodeToString([]byte(s.prefix)), hex.EncodeToString([]byte(scriptPrefix))))
}

// callQuietly sends a request without adding it to the transcript.
func (p *scriptConn) callQuietly(code embedded.Command, body []byte) []byte {
	p.s.t.Helper()
	require.NoError(p.s.t, p.c.SetDeadline(time.Now().Add(waitTimeout)))
	_, answer := p.c.call(p.s.t, code, body)
	return answer
}

// call sends a request and adds the status and the masked answer to the transcript.
func (p *scriptConn) call(label string, code embedded.Command, body []byte) []byte {
	p.s.t.Helper()
	return p.sendRaw(label, code, frame(code, body))
}

func (p *scriptConn) sendRaw(label string, code embedded.Command, bytes []byte) []byte {
	p.s.t.Helper()
	require.NoError(p.s.t, p.c.SetDeadline(time.Now().Add(waitTimeout)))
	_, err := p.c.Write(bytes)
	require.NoError(p.s.t, err)
	status, answer, err := p.c.tryReceive()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		p.s.note("%s: %s: %s: closed", p.name, code, label)
	case err != nil:
		p.s.note("%s: %s: %s: broken", p.name, code, label)
		var timeout net.Error
		require.False(p.s.t, errors.As(err, &timeout) && timeout.Timeout(), "no answer: %s: %s", code, label)
	default:
		p.s.note("%s: %s: %s: %d %x", p.name, code, label, status, maskScript(code, answer))
	}
	return answer
}

// callOnce sends a request on a new connection, for requests after which the rest of a connection
// can't be used.
func (s *script) callOnce(label string, code embedded.Command, body []byte) {
	s.t.Helper()
	p := s.login("once")
	p.call(label, code, body)
	_ = p.c.Close()
}

// maskScript zeroes times, ids that are unique on a server, random ids and what contains them.
func maskScript(code embedded.Command, answer []byte) []byte {
	b := bytes.Clone(answer)
	zero := func(from, to int) {
		if from <= to && to <= len(b) {
			clear(b[from:to])
		}
	}
	topics := func(at int) {
		for at+51 <= len(b) {
			zero(at+4, at+12)
			at += 51 + int(b[at+50])
		}
	}
	switch code {
	case embedded.GetClusterMetadata:
		if len(b) > 10 {
			zero(len(b)-10, len(b)-2)
		}
	case embedded.CreateStream, embedded.GetStream:
		if len(b) > 33 {
			zero(0, 12)
			topics(33 + int(b[32]))
		}
	case embedded.GetTopics:
		topics(0)
	case embedded.CreateTopic, embedded.GetTopic:
		if len(b) > 51 {
			zero(4, 12)
			for at := 51 + int(b[50]); at < len(b); at += 40 {
				zero(at+4, at+12)
			}
		}
	case embedded.PollMessages:
		if len(b) > 16 {
			for _, m := range splitMessages(b[16:]) {
				if m[8+6]>>4 == 4 {
					clear(m[8:24])
				}
				clear(m[0:8])
				clear(m[32:40])
			}
		}
	case embedded.CreateUser, embedded.GetUser:
		zero(0, 12)
	case embedded.LoginUser, embedded.LoginWithToken:
		zero(0, 4)
	case embedded.CreateToken:
		zero(1, len(b))
	case embedded.GetTokens:
		for at := 0; at < len(b); {
			at += 1 + int(b[at])
			if binary.LittleEndian.Uint64(b[at:]) != 0 {
				copy(b[at:at+8], "\xee\xee\xee\xee\xee\xee\xee\xee")
			}
			at += 8
		}
	case embedded.GetMe, embedded.GetClient:
		if len(b) > 13 {
			n := 13 + int(binary.LittleEndian.Uint32(b[9:]))
			b = slices.Concat(b[8:9], b[n:])
			for at := 5; at+12 <= len(b); at += 12 {
				clear(b[at : at+4])
			}
		}
	case embedded.GetStats:
		return nil
	}
	if len(b) > 600 {
		return append(b[:600:600], fmt.Sprintf("...%d", len(b))...)
	}
	return b
}
