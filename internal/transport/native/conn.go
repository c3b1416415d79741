package native

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// maxInFlight is how many requests may be on their way on a connection. When
// it is reached, calls wait for an answer to come, or for their context.
const maxInFlight = 256

// conn is one connection.
type conn struct {
	address string
	nc      net.Conn
	plain   bool // no TLS

	slots chan struct{} // one value for each call in the queue
	pen   chan struct{} // held by the call that writes
	lead  chan struct{} // held by the one that reads
	done  chan struct{}
	ended chan struct{} // the connection's goroutine has returned

	prompt  *prompt       // nc, as it is read
	reader  reader        // belongs to the lead
	answers atomic.Uint64 // that were read

	mu    sync.Mutex
	queue queue
	err   error
}

func newConn(address string, nc net.Conn) *conn {
	_, overTLS := nc.(*tls.Conn)
	c := &conn{
		address: address, nc: nc, plain: !overTLS,
		slots: make(chan struct{}, maxInFlight),
		pen:   make(chan struct{}, 1),
		lead:  make(chan struct{}, 1),
		done:  make(chan struct{}), ended: make(chan struct{}),
		prompt: newPrompt(nc),
	}
	c.reader = newReader(c.prompt)
	go c.watch()
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

// Close cuts the connection and waits for its goroutine.
func (c *conn) Close() error {
	c.fail(iggyerr.ErrClosed)
	<-c.ended
	return nil
}

// fail ends the connection for the first reason that it is given, and with it
// every call that is in the queue.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	var orphans []*call
	for k := c.queue.pop(); k != nil; k = c.queue.pop() {
		orphans = append(orphans, k)
	}
	close(c.done)
	c.mu.Unlock()
	transport.Abort(c.nc)
	for _, k := range orphans {
		k.settle(0, answer{}, err)
	}
}

func (c *conn) connError(k *call, sent bool, cause error) error {
	return &iggyerr.ConnError{Op: k.op, Addr: c.address, Sent: sent, Err: cause}
}

// exchange sends the call's request, followed by tail, and waits for its
// answer. reusable tells whether nobody refers to the call any more.
func (c *conn) exchange(ctx context.Context, k *call, tail []byte) (reusable bool, err error) {
	if ctx.Err() != nil {
		return true, c.connError(k, false, context.Cause(ctx))
	}
	k.guard.start(ctx, c, k.interrupt)
	if err = c.send(ctx, k, tail); err == nil {
		err = c.await(ctx, k)
	}
	return k.guard.finish() && err == nil, err
}
