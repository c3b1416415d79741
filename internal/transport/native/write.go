package native

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// copied is up to how many bytes a batch's messages are copied behind the head
// of their request: below it one plain write is cheaper than a vectored one.
const copied = 8 << 10

// send writes the request in its turn. Without an error it was written whole,
// or it has its answer.
func (c *conn) send(ctx context.Context, k *call, tail []byte) error {
	wire.EndFrame(k.frame, len(tail))
	if len(tail) <= copied {
		k.frame, tail = append(k.frame, tail...), nil
	}
	if err := c.acquire(ctx, k, c.slots); err != nil {
		return err
	}
	if err := c.acquire(ctx, k, c.pen); err != nil {
		<-c.slots
		return err
	}
	defer func() { <-c.pen }()
	c.mu.Lock()
	broken := c.err
	if broken == nil {
		c.queue.push(k)
	}
	c.mu.Unlock()
	if broken != nil {
		<-c.slots
		return c.connError(k, false, broken)
	}
	c.prompt.carry()
	n, err := c.write(k, tail)
	if err == nil {
		return nil
	}
	return c.unsent(ctx, k, n, err)
}

// acquire takes one of a limited number of places.
func (c *conn) acquire(ctx context.Context, k *call, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return c.connError(k, false, context.Cause(ctx))
	case <-c.done:
		return c.connError(k, false, c.Err())
	}
}

// write writes frame and tail. A context that ends makes it return at once,
// whether the peer reads or not.
func (c *conn) write(k *call, tail []byte) (int64, error) {
	k.guard.enter(writing)
	defer k.guard.leave()
	if tail == nil {
		n, err := c.nc.Write(k.frame)
		return int64(n), err
	}
	k.parts = [2][]byte{k.frame, tail}
	k.buffers = k.parts[:]
	n, err := k.buffers.WriteTo(c.nc)
	k.buffers, k.parts = nil, [2][]byte{}
	return n, err
}

// unsent ends a call that was not written whole.
func (c *conn) unsent(ctx context.Context, k *call, n int64, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = context.Cause(ctx)
		// A TLS connection is of no use after a write that was interrupted.
		if n == 0 && c.plain && c.retract(k) {
			<-c.slots
			return c.connError(k, false, err)
		}
		c.fail(fmt.Errorf("request given up half written: %w", err))
		return c.connError(k, false, err)
	}
	// The server may have refused the request before it had read it, and hung
	// up: then its answer is still to be read. Nothing blocks here any more.
	if c.acquire(ctx, k, c.lead) == nil {
		c.read(k)
	}
	c.fail(err)
	<-k.done // the end of the connection settles every call
	if k.err != nil {
		return c.connError(k, false, k.err)
	}
	k.done <- struct{}{} // for await
	return nil
}

// retract takes back a call of which nothing was written. It fails when the
// connection has ended, which has taken the call.
func (c *conn) retract(k *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.queue.retract(k)
	}
	return c.err == nil
}
