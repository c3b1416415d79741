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
	return target{address: start(t, opts...).Endpoint(), username: "iggy", password: "iggy"}
}

// realTarget is the server that IGGY_TEST_ENDPOINT names, iggy://user:password@host:port; without
// it the test is skipped, aloud.
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

// script sends frames to a server and writes down what it answers, with what two servers cannot
// have in common masked, so that the transcripts of two servers can be compared.
type script struct {
	t      testing.TB
	target target
	// prefix is at the start of every name that exists for all of a server; it has the same length
	// in each run.
	prefix  string
	lines   []string
	admin   *scriptConn
	streams []string
	users   []string
}

// peer is one of a script's connections.
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

// member is a peer that is logged in.
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

// stream creates one that is deleted at the end.
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

// quiet calls without writing anything down.
func (p *scriptConn) callQuietly(code embedded.Command, body []byte) []byte {
	p.s.t.Helper()
	require.NoError(p.s.t, p.c.SetDeadline(time.Now().Add(waitTimeout)))
	_, answer := p.c.call(p.s.t, code, body)
	return answer
}

// do calls and writes down the status and the masked answer.
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

// once does a call on a connection of its own, for requests that leave the connection out of step.
func (s *script) callOnce(label string, code embedded.Command, body []byte) {
	s.t.Helper()
	p := s.login("once")
	p.call(label, code, body)
	_ = p.c.Close()
}

// maskScript zeroes times, ids that exist for all of a server, random ids and what contains them.
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

func ident(n string) []byte { return append([]byte{2}, name(n)...) }

func number(n uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{1, 4}, n) }

func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

func u64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func topicBody(stream []byte, partitions uint32, compression byte, expiry, size uint64, replication byte, n string) []byte {
	return join(stream, u32(partitions), []byte{compression}, u64(expiry), u64(size), []byte{replication}, name(n))
}

// part names a partition in a request, or none.
func part(p int) []byte {
	if p < 0 {
		return []byte{0, 0, 0, 0, 0}
	}
	return append([]byte{1}, u32(uint32(p))...)
}

func single(n string) []byte  { return append([]byte{1}, ident(n)...) }
func grouped(n string) []byte { return append([]byte{2}, ident(n)...) }

func pollBody(who, stream, topic []byte, partition int, kind byte, value uint64, count uint32, commit byte) []byte {
	return join(who, stream, topic, part(partition), []byte{kind}, u64(value), u32(count), []byte{commit})
}

var (
	balanced = []byte{1, 0}
	noKey    = []byte{3, 0}
)

func toPartition(p uint32) []byte { return append([]byte{2, 4}, u32(p)...) }

func byKey(key string) []byte { return append([]byte{3}, name(key)...) }

// message encodes one as a client does. The id is a version 7 UUID made from n, so that it is not
// masked; 0 means none.
func message(n uint64, payload, headers string) []byte {
	b := make([]byte, 64)
	if n != 0 {
		binary.LittleEndian.PutUint64(b[16:], n)
		b[14] = 0x70
	}
	binary.LittleEndian.PutUint64(b[40:], 1_700_000_000_000_000+n)
	binary.LittleEndian.PutUint32(b[48:], uint32(len(headers)))
	binary.LittleEndian.PutUint32(b[52:], uint32(len(payload)))
	return append(append(b, payload...), headers...)
}

func sendBody(stream, topic, partitioning []byte, messages ...[]byte) []byte {
	var indexes, data []byte
	for _, m := range messages {
		data = append(data, m...)
		indexes = append(indexes, join(u32(0), u32(uint32(len(data))), u64(0))...)
	}
	return sendParts(stream, topic, partitioning, uint32(len(messages)), indexes, data)
}

func sendParts(stream, topic, partitioning []byte, count uint32, indexes, data []byte) []byte {
	metadata := join(stream, topic, partitioning, u32(count))
	return join(u32(uint32(len(metadata))), metadata, indexes, data)
}
