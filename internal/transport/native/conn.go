package native

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// maxInFlight bounds the requests in flight on a connection. Further calls wait for an answer or
// for the end of their context.
const maxInFlight = 256

// conn is one connection.
type conn struct {
	address string
	nc      net.Conn
	plain   bool // no TLS

	slots     chan struct{} // holds a value for each call in the queue
	writeLock chan struct{} // held by the call that writes
	readLock  chan struct{} // held by the goroutine that reads
	done      chan struct{}
	watchDone chan struct{} // closed when the connection's goroutine has returned

	acks    *ackConn // nc with prompt acknowledgements
	reader  reader   // guarded by readLock
	bodies  bodyPool
	answers atomic.Uint64 // number of answers read

	mu    sync.Mutex
	queue queue
	err   error
}

func newConn(address string, nc net.Conn) *conn {
	_, overTLS := nc.(*tls.Conn)
	c := &conn{
		address: address, nc: nc, plain: !overTLS,
		slots:     make(chan struct{}, maxInFlight),
		writeLock: make(chan struct{}, 1),
		readLock:  make(chan struct{}, 1),
		done:      make(chan struct{}), watchDone: make(chan struct{}),
		acks: newAckConn(nc),
	}
	c.reader = newReader(c.acks, &c.bodies)
	go c.readWhenIdle()
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

// Close closes the connection and waits for its goroutine.
func (c *conn) Close() error {
	c.fail(iggyerr.ErrClosed)
	<-c.watchDone
	return nil
}

// fail ends the connection with err, unless it has ended before, and fails all calls in the queue.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	var pending []*call
	for k := c.queue.pop(); k != nil; k = c.queue.pop() {
		pending = append(pending, k)
	}
	close(c.done)
	c.mu.Unlock()
	transport.Abort(c.nc)
	c.bodies.close()
	for _, k := range pending {
		k.settle(0, answer{}, err)
	}
}

func (c *conn) connError(k *call, sent bool, cause error) error {
	return &iggyerr.ConnError{Op: k.op, Addr: c.address, Sent: sent, Err: cause}
}
