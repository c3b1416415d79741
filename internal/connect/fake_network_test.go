package connect_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

var errRefused = errors.New("connection refused")

// fakeNetwork is a dialer and a name service. A host that is not in it refuses connections.
type fakeNetwork struct {
	hosts map[string]*fakeHost // by address
	names map[string][]string  // IP addresses

	mu    sync.Mutex
	dials []string
	open  int
}

// fakeHost is how the server at one address behaves.
type fakeHost struct {
	accepts, login time.Duration // how long that takes; negative for ever
	loginErr       error
	cluster        transport.Cluster
	clusterErr     error
}

func (f *fakeNetwork) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, ip := range f.names[host] {
		all = append(all, netip.MustParseAddr(ip))
	}
	if all == nil {
		return nil, fmt.Errorf("no such host: %s", host)
	}
	return all, nil
}

func (f *fakeNetwork) Dial(ctx context.Context, address string, cfg *tls.Config) (transport.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials = append(f.dials, address)
	host := f.hosts[address]
	if host == nil {
		return nil, &iggyerr.ConnError{Op: "connect", Addr: address, Err: errRefused}
	}
	f.mu.Unlock()
	err := pause(ctx, host.accepts)
	f.mu.Lock()
	if err != nil {
		return nil, &iggyerr.ConnError{Op: "connect", Addr: address, Err: err}
	}
	f.open++
	return &fakeConn{network: f, host: host, address: address, tls: cfg}, nil
}

func (f *fakeNetwork) dialed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.dials)
}

func (f *fakeNetwork) forgetDials() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials = nil
}

func (f *fakeNetwork) openConns() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	var after <-chan time.Time
	if d >= 0 {
		after = time.After(d)
	}
	select {
	case <-after:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fakeConn implements the methods that a Connector uses; the others panic.
type fakeConn struct {
	transport.Conn
	network *fakeNetwork
	host    *fakeHost
	address string
	tls     *tls.Config
	once    sync.Once
}

func (c *fakeConn) Login(ctx context.Context, _ transport.Credentials) error {
	if err := pause(ctx, c.host.login); err != nil {
		return &iggyerr.ConnError{Op: "login", Addr: c.address, Err: err}
	}
	return c.host.loginErr
}

func (c *fakeConn) Cluster(context.Context) (transport.Cluster, error) {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	return c.host.cluster, c.host.clusterErr
}

func (c *fakeConn) Close() error {
	c.once.Do(func() {
		c.network.mu.Lock()
		defer c.network.mu.Unlock()
		c.network.open--
	})
	return nil
}

func settings(endpoint string) config.Iggy {
	cfg := config.Default().Iggy
	cfg.Endpoint = endpoint
	cfg.ClientID, cfg.ClientSecret = "iggy", config.NewSecret("iggy")
	return cfg
}

func newConnector(t *testing.T, cfg config.Iggy, network *fakeNetwork) *connect.Connector {
	t.Helper()
	c := newConnectorWith(t, cfg, network, network)
	c.OwnRegistry()
	return c
}

func newConnectorWith(t *testing.T, cfg config.Iggy, dialer transport.Dialer, network *fakeNetwork) *connect.Connector {
	t.Helper()
	c, err := connect.New(cfg, dialer, zap.NewNop())
	require.NoError(t, err)
	c.SetLookup(network.lookup)
	t.Cleanup(c.Close)
	return c
}

// countingDialer counts how often metadata is read.
type countingDialer struct {
	*fakeNetwork
	asked *int
}

func (d countingDialer) Dial(ctx context.Context, address string, cfg *tls.Config) (transport.Conn, error) {
	conn, err := d.fakeNetwork.Dial(ctx, address, cfg)
	if err != nil {
		return nil, err
	}
	return countingConn{conn.(*fakeConn), d.asked}, nil
}

type countingConn struct {
	*fakeConn
	asked *int
}

func (c countingConn) Cluster(ctx context.Context) (transport.Cluster, error) {
	*c.asked++
	return c.fakeConn.Cluster(ctx)
}
