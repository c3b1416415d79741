package link

import (
	"context"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
)

// WithRequestTimeout returns the context of a request, and the function that ends it.
func WithRequestTimeout(ctx context.Context, timeout time.Duration) (bounded context.Context, stop func()) {
	bounded, s := withRequestTimeout(ctx, timeout)
	return bounded, s.stop
}

var ErrStalled = errStalled

// ServerWith returns the server of a session with this configuration.
func ServerWith(cfg config.Iggy) Server {
	l := &Link{cfg: cfg, dialer: native.Dialer{}}
	return (&Session{link: l, conn: &connect.Connection{Address: "127.0.0.1:8090"}}).Server()
}
