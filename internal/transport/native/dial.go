package native

import (
	"context"
	"crypto/tls"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Dialer opens connections. The zero value is ready and safe for concurrent use.
type Dialer struct{}

var (
	_ transport.Dialer = Dialer{}
	_ transport.Prober = Dialer{}
)

// Dial connects, TLS included when cfg is not nil, and ends with ctx.
func (Dialer) Dial(ctx context.Context, address string, cfg *tls.Config) (transport.Conn, error) {
	nc, err := transport.Connect(ctx, address, cfg)
	if err != nil {
		return nil, err
	}
	return newConn(address, nc), nil
}

// Probe tells whether a server speaks the protocol of Iggy 0.9 or later.
func (Dialer) Probe(ctx context.Context, address string, cfg *tls.Config) error {
	return transport.Probe(ctx, address, cfg)
}
