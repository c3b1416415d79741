package native

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// maxCopied is the largest batch, in bytes, that is copied behind the header of its request. Up to
// this size one plain write is cheaper than a vectored one.
const maxCopied = 8 << 10

// send waits for the write lock and writes the request, whose end is a batch unless that is nil.
// Without an error the request was written completely, or its answer has come.
func (c *conn) send(ctx context.Context, k *call, batch *wire.Batch) error {
	var tail [][]byte
	if batch != nil {
		tail = batch.Chunks()
		wire.EndFrame(k.frame, batch.Size())
		if batch.Size() <= maxCopied {
			for _, chunk := range tail {
				k.frame = append(k.frame, chunk...)
			}
			tail = nil
		}
	} else {
		wire.EndFrame(k.frame, 0)
	}
	if err := c.acquire(ctx, k, c.slots); err != nil {
		return err
	}
	if err := c.acquire(ctx, k, c.writeLock); err != nil {
		<-c.slots
		return err
	}
	defer func() { <-c.writeLock }()
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
	c.acks.requestFollows()
	n, err := c.write(k, tail)
	if err == nil {
		return nil
	}
	return c.writeFailed(ctx, k, n, err)
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

// write writes the frame and tail. The end of the context makes it return at once, whether the peer
// reads or not.
func (c *conn) write(k *call, tail [][]byte) (int64, error) {
	k.interrupter.begin(useWrite)
	defer k.interrupter.end()
	if tail == nil {
		n, err := c.nc.Write(k.frame)
		return int64(n), err
	}
	k.parts = append(append(k.parts[:0], k.frame), tail...)
	k.buffers = k.parts
	n, err := k.buffers.WriteTo(c.nc)
	clear(k.parts)
	k.buffers = nil
	return n, err
}

// writeFailed ends a call that was not written completely.
func (c *conn) writeFailed(ctx context.Context, k *call, n int64, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = context.Cause(ctx)
		// A TLS connection is unusable after an interrupted write.
		if n == 0 && c.plain && c.unqueue(k) {
			<-c.slots
			return c.connError(k, false, err)
		}
		c.fail(fmt.Errorf("request partly written: %w", err))
		return c.connError(k, false, err)
	}
	// The server may have refused the request before it had read it, and closed the connection.
	// Then its answer is still to be read. Nothing blocks here any more.
	if c.acquire(ctx, k, c.readLock) == nil {
		c.readUntilSettled(k)
	}
	c.fail(err)
	<-k.done // the end of the connection settles every call
	if k.err != nil {
		return c.connError(k, false, k.err)
	}
	k.done <- struct{}{} // for await
	return nil
}
