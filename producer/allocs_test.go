package producer_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// discard is a server that confirms every batch and stores nothing.
type discard struct{ *server }

func (d discard) Dial(ctx context.Context, address string, config *tls.Config) (transport.Conn, error) {
	c, err := d.server.Dial(ctx, address, config)
	return discardConn{c}, err
}

type discardConn struct{ transport.Conn }

func (discardConn) Send(context.Context, string, string, uint32, *wire.Batch) error { return nil }

// A message that is sent without waiting allocates nothing: what its batch needs is used again. It is
// not parallel: it counts the allocations of the process.
func TestSendAsyncAllocatesNothing(t *testing.T) {
	s := newServer()
	s.partitions("t", 4)
	p := start(t, s, nil, producer.WithDialer(discard{s}))
	defer func() { _ = p.Stop(context.Background()) }()
	m, done := message("k", "payload"), func(producer.Result) {}
	ctx := t.Context()
	send := func() {
		for range 1000 {
			p.SendAsync(ctx, m, done)
		}
		require.NoError(t, p.Flush(ctx))
	}
	send()
	require.Less(t, testing.AllocsPerRun(20, send)/1000, 0.5)
}
