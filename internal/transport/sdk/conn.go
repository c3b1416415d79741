package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/apache/iggy/foreign/go/client/tcp"
	ierror "github.com/apache/iggy/foreign/go/errors"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// conn is one SDK client behind a relay. It makes one call at a time.
type conn struct {
	address    string
	client     *tcp.IggyTcpClient
	serverSide net.Conn     // to the server
	sdkSide    *net.TCPConn // to the SDK
	callLock   chan struct{}
	relays     sync.WaitGroup
	done       chan struct{}
	ended      chan struct{} // closed when the connection's goroutines have returned

	mu       sync.Mutex
	exchange *exchange // in progress
	err      error
}

func newConn(address string, client *tcp.IggyTcpClient, serverSide net.Conn, sdkSide *net.TCPConn) *conn {
	c := &conn{
		address: address, client: client, serverSide: serverSide, sdkSide: sdkSide,
		callLock: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
	}
	c.relays.Add(2)
	go c.relayRequests()
	go c.relayAnswers()
	go func() {
		defer close(c.ended)
		c.relays.Wait()
		// The sockets are closed, so a call that holds the SDK's lock returns.
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

// Close closes the connection and waits for its goroutines.
func (c *conn) Close() error {
	c.fail(iggyerr.ErrClosed)
	<-c.ended
	return nil
}

// fail ends the connection with err, unless it has ended before.
func (c *conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		close(c.done)
	}
	c.mu.Unlock()
	if first {
		transport.Abort(c.serverSide)
		// A reset also interrupts a write of the SDK that nobody reads.
		_ = c.sdkSide.SetLinger(0)
		_ = c.sdkSide.Close()
	}
}

// cancel ends the connection if x is still in progress.
func (c *conn) cancel(x *exchange, cause error) {
	if c.current() == x {
		c.fail(cause)
	}
}

func (c *conn) current() *exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exchange
}

func (c *conn) setCurrent(x *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchange = x
}

// do waits for the call lock and makes one call of the SDK, or of the relay itself, in the caller's
// goroutine. When the context ends, do closes the connection, which makes the call return. So the
// call does not use the caller's memory afterwards.
func (c *conn) do(ctx context.Context, op, object string, x *exchange, call func() error) error {
	if ctx.Err() != nil {
		return c.connError(op, false, context.Cause(ctx))
	}
	select {
	case c.callLock <- struct{}{}:
	case <-ctx.Done():
		return c.connError(op, false, context.Cause(ctx))
	case <-c.done:
		return c.connError(op, false, c.Err())
	}
	defer func() { <-c.callLock }()
	if err := c.Err(); err != nil {
		return c.connError(op, false, err)
	}
	x.op = op
	c.setCurrent(x)
	stop := context.AfterFunc(ctx, func() { c.cancel(x, context.Cause(ctx)) })
	err := recoverPanic(call)
	stop()
	c.setCurrent(nil)
	if err == nil {
		return nil
	}
	return c.transportError(op, object, x, err)
}

// transportError converts the error of a call to the errors of transport.Conn.
func (c *conn) transportError(op, object string, x *exchange, err error) error {
	_, answered, status := x.outcome()
	if answered && status != 0 {
		return &iggyerr.StatusError{Op: op, Object: object, Status: status}
	}
	if status, ok := notFoundStatus(err); ok && answered {
		return &iggyerr.StatusError{Op: op, Object: object, Status: status}
	}
	var local ierror.IggyError
	if sent, _, _ := x.outcome(); !sent && errors.As(err, &local) && c.Err() == nil {
		// The SDK itself refused the call: the connection is unchanged.
		return fmt.Errorf("iggy: %s %s: %w", op, object, err)
	}
	// Every other error leaves the SDK out of step with the server.
	c.fail(err)
	c.relays.Wait()
	sent, _, _ := x.outcome()
	return c.connError(op, sent, c.Err())
}

// notFoundStatus returns the status for what the server reports by an empty answer.
func notFoundStatus(err error) (iggyerr.Status, bool) {
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

// recoverPanic turns a panic of the SDK, whose decoders do not check what they read, into an error.
func recoverPanic(call func() error) error {
	err := callback.Recover(call)
	var panicked *iggyerr.PanicError
	if errors.As(err, &panicked) {
		return fmt.Errorf("%w: %w", iggyerr.ErrProtocol, panicked)
	}
	return err
}
