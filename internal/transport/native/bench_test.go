package native_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// instantServer answers each write at once with the same answer, without a network. What remains is
// the client's own work.
type instantServer struct {
	scriptedConn
	answer []byte
	ready  chan []byte
	rest   []byte
}

func newInstantServer(answer []byte) *instantServer {
	i := &instantServer{answer: answer, ready: make(chan []byte, 256)}
	i.closed = make(chan struct{})
	return i
}

func (i *instantServer) Write(b []byte) (int, error) {
	i.ready <- i.answer
	return len(b), nil
}

func (i *instantServer) Read(b []byte) (int, error) {
	if len(i.rest) == 0 {
		select {
		case i.rest = <-i.ready:
		case <-i.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(b, i.rest)
	i.rest = i.rest[n:]
	return n, nil
}

func newInstantConn(b *testing.B, answer []byte) transport.Conn {
	c := native.NewConn(newInstantServer(answer))
	b.Cleanup(func() { require.NoError(b, c.Close()) })
	return c
}

// BenchmarkOverhead measures the client's part of a call.
func BenchmarkOverhead(b *testing.B) {
	for _, tt := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
	}{
		{"no deadline", func() (context.Context, context.CancelFunc) { return context.Background(), func() {} }},
		{"deadline", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), time.Hour)
		}},
	} {
		b.Run("send/"+tt.name, func(b *testing.B) {
			c := newInstantConn(b, make([]byte, 8))
			ctx, cancel := tt.ctx()
			defer cancel()
			var batch wire.Batch
			batch.Append([16]byte{1}, 1, make([]byte, 512), nil)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Send(ctx, "stream", "topic", 1, &batch); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("poll of nothing/"+tt.name, func(b *testing.B) {
			c := newInstantConn(b, polled(1))
			ctx, cancel := tt.ctx()
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Poll(ctx, transport.Poll{Consumer: who, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 100}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPoll decodes answers with messages of 512 bytes.
func BenchmarkPoll(b *testing.B) {
	payloads := make([]string, 1000)
	for i := range payloads {
		payloads[i] = strings.Repeat("x", 512)
	}
	answer := polled(1, payloads...)
	c := newInstantConn(b, answer)
	poll := transport.Poll{Consumer: who, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: uint32(len(payloads))}
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	for b.Loop() {
		got, err := c.Poll(b.Context(), poll)
		if err != nil {
			b.Fatal(err)
		}
		if got.Recycle != nil {
			got.Recycle()
		}
	}
}
