package native

import (
	"context"
	"crypto/tls"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Dialer opens connections. The zero value is ready and safe for concurrent use.
type Dialer struct{}

var _ transport.Dialer = Dialer{}

// Dial connects, TLS included when cfg is not nil, and ends with ctx.
func (Dialer) Dial(ctx context.Context, address string, cfg *tls.Config) (transport.Conn, error) {
	nc, err := transport.Connect(ctx, address, cfg)
	if err != nil {
		return nil, err
	}
	return newConn(address, nc), nil
}
