package connect_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// A name has two addresses. At the first one, connections are accepted and nobody answers.
func TestEachAddressOfANameIsTriedOverBothTransports(t *testing.T) {
	t.Parallel()
	for name, dialer := range map[string]transport.Dialer{"native": native.Dialer{}, "sdk": sdk.Dialer{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := iggytest.NewServer(t)
			_, port, err := net.SplitHostPort(srv.Address())
			require.NoError(t, err)
			silent, err := net.Listen("tcp", "127.0.0.2:"+port)
			if err != nil {
				t.Skipf("this machine has no second loopback address: %v", err)
			}
			defer func() { _ = silent.Close() }()
			cfg := settings("iggy://name:" + port)
			cfg.DialTimeout = 3 * time.Second
			c, err := connect.New(cfg, dialer, zap.NewNop())
			require.NoError(t, err)
			defer c.Close()
			c.SetLookup(func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}, nil
			})
			connection, err := c.Connect(t.Context())
			require.NoError(t, err)
			require.NoError(t, connection.Ping(t.Context()))
			require.NoError(t, connection.Close())
		})
	}
}
