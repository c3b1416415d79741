package native_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scriptedConn is a peer that sends a given answer in pieces after the first request. Between two
// pieces a read fails as if it was interrupted.
type scriptedConn struct {
	mu     sync.Mutex
	asked  chan struct{}
	once   sync.Once
	closed chan struct{}
	says   []byte
	piece  int
	pause  bool
}

func newScriptedConn(says []byte, piece int) *scriptedConn {
	return &scriptedConn{says: says, piece: max(piece, 1), asked: make(chan struct{}), closed: make(chan struct{})}
}

func (s *scriptedConn) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.asked:
	default:
		close(s.asked)
	}
	return len(b), nil
}

func (s *scriptedConn) Read(b []byte) (int, error) {
	select {
	case <-s.asked:
	case <-s.closed:
		return 0, net.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pause = !s.pause; !s.pause {
		return 0, os.ErrDeadlineExceeded
	}
	if len(s.says) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.says[:min(len(s.says), s.piece)])
	s.says = s.says[n:]
	return n, nil
}

func (s *scriptedConn) Close() error                     { s.once.Do(func() { close(s.closed) }); return nil }
func (s *scriptedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *scriptedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (s *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (s *scriptedConn) SetWriteDeadline(time.Time) error { return nil }

var who = transport.Consumer{Stream: "s", Topic: "t", Name: "c"}

// calls are all commands. Each returns its answer.
var calls = []func(context.Context, transport.Conn, int) (any, error){
	func(ctx context.Context, c transport.Conn, maxBytes int) (any, error) {
		return c.Poll(ctx, transport.Poll{Consumer: who, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10, MaxBytes: maxBytes})
	},
	func(ctx context.Context, c transport.Conn, _ int) (any, error) { return c.Topic(ctx, "s", "t") },
	func(ctx context.Context, c transport.Conn, _ int) (any, error) {
		return c.Members(ctx, transport.Group{Stream: "s", Topic: "t", Name: "g"})
	},
	func(ctx context.Context, c transport.Conn, _ int) (any, error) { return c.Offset(ctx, who, 1) },
	func(ctx context.Context, c transport.Conn, _ int) (any, error) {
		return nil, c.Login(ctx, transport.Credentials{Username: "u", Password: "p"})
	},
	func(ctx context.Context, c transport.Conn, _ int) (any, error) { return nil, c.Ping(ctx) },
	func(ctx context.Context, c transport.Conn, _ int) (any, error) {
		var b wire.Batch
		b.Append([16]byte{1}, 1, []byte("x"), nil)
		return nil, c.Send(ctx, "s", "t", 0, &b)
	},
	func(ctx context.Context, c transport.Conn, _ int) (any, error) {
		return c.(transport.ClusterReader).Cluster(ctx)
	},
}

// seeds are answers: success without a body, a login, an offset, a poll of a partition that is not
// owned, the statuses 42 and 40, a page of another protocol, and an absurd length.
var seeds = []string{
	"0000000000000000",
	"0000000004000000" + "00000000",
	"0000000014000000" + "0000000009000000000000000500000000000000",
	"0000000010000000" + "00000000000000000000000000000000",
	"2a00000000000000",
	"2800000000000000",
	"485454502f312e3120343030204261642052657175657374",
	"0000000000000080",
}

// recordedCluster is the metadata of a server without a cluster.
const recordedCluster = "0b00000073696e676c652d6e6f64650100000009000000696767792d6e6f6465090000003132372e302e302e319a1f901fb80b9c1f0000"

// FuzzAnswer sends any bytes as the answer to any command. The call ends with an answer or an error
// of a documented kind, whatever pieces the bytes come in, and an answer keeps the requested
// bounds.
func FuzzAnswer(f *testing.F) {
	for _, r := range seeds {
		b, err := hex.DecodeString(r)
		require.NoError(f, err)
		for i := range calls {
			f.Add(b, uint8(i), uint16(1), uint16(0))
			f.Add(b, uint8(i), uint16(7), uint16(70))
		}
	}
	poll := polled(3, "first", "second", "third")
	for _, maxBytes := range []uint16{0, 1, 64, 100, 140, 1000} {
		f.Add(poll, uint8(0), uint16(5), maxBytes)
	}
	f.Add(frame(topicOf(3)), uint8(1), uint16(50), uint16(0))
	f.Add(frame(groupOf(4)), uint8(2), uint16(3), uint16(0))
	cluster, err := hex.DecodeString(recordedCluster)
	require.NoError(f, err)
	f.Add(frame(cluster), uint8(7), uint16(3), uint16(0))
	f.Fuzz(func(t *testing.T, says []byte, call uint8, piece, maxBytes uint16) {
		do := calls[int(call)%len(calls)]
		got, err := receive(t, do, says, int(piece), int(maxBytes))
		again, errAgain := receive(t, do, says, len(says), int(maxBytes))
		require.Equal(t, got, again, "the answer depends on the pieces it comes in")
		require.Equal(t, err == nil, errAgain == nil, "%v / %v", err, errAgain)
		if p, ok := got.(*transport.Polled); ok && err == nil {
			checkPolled(t, p, int(maxBytes), len(says))
		}
	})
}

func receive(t *testing.T, do func(context.Context, transport.Conn, int) (any, error), says []byte, piece, maxBytes int) (any, error) {
	c := native.NewConn(newScriptedConn(says, piece))
	defer func() { require.NoError(t, c.Close()) }()
	got, err := do(t.Context(), c, maxBytes)
	if err == nil {
		if p, ok := got.(*transport.Polled); ok {
			p.Recycle = nil // functions can't be compared
		}
		return got, nil
	}
	var status *iggyerr.StatusError
	var conn *iggyerr.ConnError
	if errors.As(err, &status) {
		return nil, err
	}
	require.ErrorAs(t, err, &conn)
	<-c.Done()
	return nil, err
}

func checkPolled(t *testing.T, p *transport.Polled, maxBytes, said int) {
	size := 0
	for i, m := range p.Messages {
		size += wire.EncodedSize(len(m.Payload), len(m.Headers))
		if maxBytes > 0 && i > 0 {
			require.LessOrEqual(t, size, max(maxBytes, wire.MessageHeaderSize))
		}
	}
	require.LessOrEqual(t, size, said)
	if p.Truncated {
		require.NotEmpty(t, p.Messages)
	}
}

func frame(body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0)
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(body))), body...)
}

func polled(partition uint32, payloads ...string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, partition)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(payloads)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payloads)))
	var batch wire.Batch
	for _, p := range payloads {
		batch.Append([16]byte{1}, 1, []byte(p), wire.AppendHeader(nil, "k", p))
	}
	return frame(append(b, batch.Bytes()...))
}

func topicOf(partitions uint32) []byte {
	b := make([]byte, 51, 200)
	binary.LittleEndian.PutUint32(b[12:], partitions)
	b[50] = 5
	b = append(b, "tasks"...)
	for i := range partitions {
		p := make([]byte, 40)
		binary.LittleEndian.PutUint32(p, partitions-1-i)
		binary.LittleEndian.PutUint64(p[16:], uint64(i))
		binary.LittleEndian.PutUint64(p[32:], uint64(i)+1)
		b = append(b, p...)
	}
	return b
}

func groupOf(members uint32) []byte {
	b := make([]byte, 13)
	binary.LittleEndian.PutUint32(b[8:], members)
	b[12] = 2
	b = append(b, "gr"...)
	for i := range members {
		b = binary.LittleEndian.AppendUint32(b, i)
		b = binary.LittleEndian.AppendUint32(b, i)
		for j := range i {
			b = binary.LittleEndian.AppendUint32(b, 10*i+j)
		}
	}
	return b
}
