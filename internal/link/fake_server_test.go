package link_test

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

const fakeAddress = "127.0.0.1:8090"

// fakeServer is a dialer whose connections behave as the test tells.
type fakeServer struct {
	mu    sync.Mutex
	dials []time.Time
	conns []*fakeConn
	// dialErr and loginErr are given when not nil; a stall ignores everything but the context.
	dialErr, loginErr error
	ping              func(context.Context) error
}

var errRefused = errors.New("connection refused")

func (f *fakeServer) set(change func(*fakeServer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeServer) dialTimes() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.dials...)
}

func (f *fakeServer) last() *fakeConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns[len(f.conns)-1]
}

func (f *fakeServer) Dial(_ context.Context, address string, _ *tls.Config) (transport.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials = append(f.dials, time.Now())
	if f.dialErr != nil {
		return nil, &iggyerr.ConnError{Op: "dial", Addr: address, Err: f.dialErr}
	}
	c := &fakeConn{server: f, done: make(chan struct{})}
	f.conns = append(f.conns, c)
	return c, nil
}

// fakeConn implements the methods that a link uses; the others panic.
type fakeConn struct {
	transport.Conn
	server *fakeServer
	once   sync.Once
	done   chan struct{}
	mu     sync.Mutex
	err    error
	pings  int
}

func (c *fakeConn) Login(context.Context, transport.Credentials) error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return c.server.loginErr
}

func (c *fakeConn) Ping(ctx context.Context) error {
	c.mu.Lock()
	c.pings++
	c.mu.Unlock()
	c.server.mu.Lock()
	ping := c.server.ping
	c.server.mu.Unlock()
	if ping != nil {
		return ping(ctx)
	}
	return nil
}

func (c *fakeConn) pinged() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pings
}

func (c *fakeConn) Done() <-chan struct{} { return c.done }

func (c *fakeConn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// cut ends the connection as the peer does.
func (c *fakeConn) cut(err error) {
	c.once.Do(func() {
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		close(c.done)
	})
}

func (c *fakeConn) Close() error {
	c.cut(iggyerr.ErrClosed)
	return nil
}

// stall waits for the end of the context, as a request without an answer does.
func stall(ctx context.Context) error {
	<-ctx.Done()
	return &iggyerr.ConnError{Op: "ping", Addr: fakeAddress, Sent: true, Err: context.Cause(ctx)}
}
