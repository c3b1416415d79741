package native_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// instant is a server without a network: whatever is written is answered at once with the same
// answer, so that what is left is the client's own work.
type instant struct {
	script
	answer []byte
	ready  chan []byte
	rest   []byte
}

func newInstant(answer []byte) *instant {
	i := &instant{answer: answer, ready: make(chan []byte, 256)}
	i.closed = make(chan struct{})
	return i
}

func (i *instant) Write(b []byte) (int, error) {
	i.ready <- i.answer
	return len(b), nil
}

func (i *instant) Read(b []byte) (int, error) {
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

func instantly(b *testing.B, answer []byte) transport.Conn {
	c := native.NewConn(newInstant(answer))
	b.Cleanup(func() { require.NoError(b, c.Close()) })
	return c
}

// BenchmarkOverhead is the client's share of a call that waits for its answer.
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
			c := instantly(b, make([]byte, 8))
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
			c := instantly(b, polled(1))
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
