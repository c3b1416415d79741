package transporttest

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// testServer is a running server and its root user.
type testServer struct {
	// Address is its host:port, without TLS.
	Address string
	// Username and Password are the root user's.
	Username, Password string
}

func (s testServer) credentials() transport.Credentials {
	return transport.Credentials{Username: s.Username, Password: s.Password}
}

// Codes of the commands that prepare a server. Source: recorded exchanges.
const (
	codeCreateToken  = 42
	codeDeleteToken  = 43
	codeCreateStream = 202
	codeDeleteStream = 203
	codeCreateTopic  = 302
	codeCreateGroup  = 602
)

// operator prepares a server with frames of its own, so that the tests do not depend on the code
// that they test.
type operator struct{ nc net.Conn }

func (b *serverSuite) operator(t *testing.T) *operator {
	t.Helper()
	nc, err := (&net.Dialer{}).DialContext(within(t), "tcp", b.server.Address)
	require.NoError(t, err)
	// Registered before the cleanups that use it, so it runs after them.
	t.Cleanup(func() { _ = nc.Close() })
	o := &operator{nc: nc}
	o.do(t, wire.CodeLogin, wire.AppendLogin(nil, b.server.Username, b.server.Password))
	return o
}

func (o *operator) do(t *testing.T, code uint32, body []byte) []byte {
	t.Helper()
	require.NoError(t, o.nc.SetDeadline(time.Now().Add(waitTimeout)))
	frame := append(wire.BeginFrame(nil, code), body...)
	wire.EndFrame(frame, 0)
	_, err := o.nc.Write(frame)
	require.NoError(t, err)
	var head [transport.AnswerHeaderSize]byte
	_, err = io.ReadFull(o.nc, head[:])
	require.NoError(t, err)
	require.Zero(t, binary.LittleEndian.Uint32(head[:]), "status of command %d", code)
	answer := make([]byte, binary.LittleEndian.Uint32(head[4:]))
	_, err = io.ReadFull(o.nc, answer)
	require.NoError(t, err)
	return answer
}

func appendShortString(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }
func appendIdentifier(dst []byte, s string) []byte  { return appendShortString(append(dst, 2), s) }

// unique returns a name that no other run of the suite uses.
func unique() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return "transporttest-" + hex.EncodeToString(b[:])
}

// topicName is a name that needs care: spaces, dots and letters beyond ASCII.
const topicName = "Töpic. one"

// topic creates a stream with one topic and deletes them when the test ends.
func (b *serverSuite) topic(t *testing.T, partitions uint32) (o *operator, stream, topic string) {
	t.Helper()
	o = b.operator(t)
	stream = unique()
	o.do(t, codeCreateStream, appendShortString(nil, stream))
	t.Cleanup(func() { o.do(t, codeDeleteStream, appendIdentifier(nil, stream)) })
	body := appendIdentifier(nil, stream)
	body = binary.LittleEndian.AppendUint32(body, partitions)
	body = append(body, 1)                           // no compression
	body = binary.LittleEndian.AppendUint64(body, 0) // default expiry
	body = binary.LittleEndian.AppendUint64(body, 0) // default size limit
	body = append(body, 1)                           // replicas
	o.do(t, codeCreateTopic, appendShortString(body, topicName))
	return o, stream, topicName
}

func (o *operator) group(t *testing.T, stream, topic, name string) transport.Group {
	t.Helper()
	o.do(t, codeCreateGroup, appendShortString(appendIdentifier(appendIdentifier(nil, stream), topic), name))
	return transport.Group{Stream: stream, Topic: topic, Name: name}
}

// token creates a personal access token and deletes it when the test ends.
func (o *operator) token(t *testing.T) string {
	t.Helper()
	name := unique()[:30]
	answer := o.do(t, codeCreateToken, binary.LittleEndian.AppendUint64(appendShortString(nil, name), 0))
	require.NotEmpty(t, answer)
	require.Len(t, answer, 1+int(answer[0]))
	t.Cleanup(func() { o.do(t, codeDeleteToken, appendShortString(nil, name)) })
	return string(answer[1:])
}
