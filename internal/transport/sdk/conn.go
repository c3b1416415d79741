package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"

	"github.com/apache/iggy/foreign/go/client/tcp"
	ierror "github.com/apache/iggy/foreign/go/errors"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// conn is one SDK client behind a relay. Calls take turns.
type conn struct {
	address string
	client  *tcp.IggyTcpClient
	outer   net.Conn     // to the server
	inner   *net.TCPConn // to the SDK
	turn    chan struct{}
	pumps   sync.WaitGroup
	done    chan struct{}
	ended   chan struct{} // the connection's goroutines have returned

	mu  sync.Mutex
	x   *exchange // under way
	err error
}

func newConn(address string, client *tcp.IggyTcpClient, outer net.Conn, inner *net.TCPConn) *conn {
	c := &conn{
		address: address, client: client, outer: outer, inner: inner,
		turn: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
	}
	c.pumps.Add(2)
	go c.forward()
	go c.backward()
	go func() {
		defer close(c.ended)
		c.pumps.Wait()
		// The sockets are cut, so a call that holds the SDK's lock returns, and
		// this one gets it.
		_ = c.client.Close()
	}()
	return c
}

// Done is closed when the connection is broken or closed.
func (c *conn) Done() <-chan struct{} { return c.done }

// Err is why Done was closed.
func (c *conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close cuts the connection and waits for its goroutines.
func (c *conn) Close() error {
	c.fail(iggyerr.ErrClosed)
	<-c.ended
	return nil
}

// fail ends the connection for the first reason that it is given.
func (c *conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		close(c.done)
	}
	c.mu.Unlock()
	if first {
		transport.Abort(c.outer)
		// A reset frees the SDK from a write, too, of which nobody reads.
		_ = c.inner.SetLinger(0)
		_ = c.inner.Close()
	}
}

// abandon ends the connection if x is still under way.
func (c *conn) abandon(x *exchange, cause error) {
	if c.current() == x {
		c.fail(cause)
	}
}

func (c *conn) current() *exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.x
}

func (c *conn) setCurrent(x *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.x = x
}

// do runs one call of the SDK, or of the relay itself, in its turn. The call
// runs in the caller's goroutine: when the context ends the connection is cut,
// which makes the call return, so that nothing that the caller handed over is
// touched afterwards.
func (c *conn) do(ctx context.Context, op, object string, x *exchange, call func() error) error {
	if ctx.Err() != nil {
		return c.connError(op, false, context.Cause(ctx))
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return c.connError(op, false, context.Cause(ctx))
	case <-c.done:
		return c.connError(op, false, c.Err())
	}
	defer func() { <-c.turn }()
	if err := c.Err(); err != nil {
		return c.connError(op, false, err)
	}
	x.op = op
	c.setCurrent(x)
	stop := context.AfterFunc(ctx, func() { c.abandon(x, context.Cause(ctx)) })
	err := guard(call)
	stop()
	c.setCurrent(nil)
	if err == nil {
		return nil
	}
	return c.explain(op, object, x, err)
}

// explain turns what a call returned into the errors of transport.Conn.
func (c *conn) explain(op, object string, x *exchange, err error) error {
	_, answered, status := x.outcome()
	if answered && status != 0 {
		return &iggyerr.StatusError{Op: op, Object: object, Status: status}
	}
	if status, ok := missing(err); ok && answered {
		return &iggyerr.StatusError{Op: op, Object: object, Status: status}
	}
	var local ierror.IggyError
	if sent, _, _ := x.outcome(); !sent && errors.As(err, &local) && c.Err() == nil {
		// Refused by the SDK itself: the connection is as it was.
		return fmt.Errorf("iggy: %s %s: %w", op, object, err)
	}
	// Whatever else went wrong leaves the SDK out of step with the server.
	c.fail(err)
	c.pumps.Wait()
	sent, _, _ := x.outcome()
	return c.connError(op, sent, c.Err())
}

// missing gives the status for what the server says with an empty answer.
func missing(err error) (iggyerr.Status, bool) {
	switch {
	case errors.Is(err, ierror.ErrStreamIdNotFound):
		return iggyerr.StatusStreamNotFound, true
	case errors.Is(err, ierror.ErrTopicIdNotFound):
		return iggyerr.StatusTopicNotFound, true
	case errors.Is(err, ierror.ErrConsumerGroupIdNotFound):
		return iggyerr.StatusGroupNotFound, true
	}
	return 0, false
}

func (c *conn) connError(op string, sent bool, cause error) error {
	return &iggyerr.ConnError{Op: op, Addr: c.address, Sent: sent, Err: cause}
}

// guard turns a panic of the SDK, whose decoders trust what they read, into an
// error.
func guard(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %w", iggyerr.ErrProtocol, &iggyerr.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return call()
}

// Login authenticates. The relay makes the request itself; see the package's
// comment.
func (c *conn) Login(ctx context.Context, cred transport.Credentials) error {
	if err := transport.CheckCredentials(cred); err != nil {
		return err
	}
	var frame []byte
	if cred.Token != "" {
		frame = wire.AppendTokenLogin(wire.BeginFrame(nil, wire.CodeTokenLogin), cred.Token)
	} else {
		frame = wire.AppendLogin(wire.BeginFrame(nil, wire.CodeLogin), cred.Username, cred.Password)
	}
	wire.EndFrame(frame, 0)
	x := &exchange{direct: make(chan []byte, 1)}
	return c.do(ctx, "login", "", x, func() error {
		x.setSent(true)
		if _, err := c.outer.Write(frame); err != nil {
			x.setSent(false)
			return err
		}
		var body []byte
		select {
		case body = <-x.direct:
		case <-c.done:
			return c.Err()
		}
		if _, _, status := x.outcome(); status != 0 {
			return &iggyerr.StatusError{Op: "login", Status: status}
		}
		if len(body) != 4 {
			return transport.Malformed("login: %d bytes", len(body))
		}
		return nil
	})
}
