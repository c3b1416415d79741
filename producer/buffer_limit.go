package producer

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// bufferLimit bounds what is buffered and in flight by three gauges: encoded bytes, messages, and
// the memory of batches. The first two have the configured limits. The third counts what the first
// does not see: free room in batches and the bookkeeping of messages. Its limit is a sixteenth
// higher than that of the bytes, so the configuration bounds the heap, too.
//
// Callers that wait for room queue up in order. Their number is bounded by the number of calling
// goroutines.
type bufferLimit struct {
	maxBytes, maxMessages, maxMemory int64
	failWhenFull                     bool

	bytes, messages, memory atomic.Int64

	waiting atomic.Int32
	first   chan struct{} // held by the first waiter; goroutines get a channel in order
	freed   chan struct{} // a token for the first waiter
	closing <-chan struct{}
	onFull  func() // called when a caller begins to wait
}

// memorySlack is added to the memory limit, so that tiny limits work.
const memorySlack = 64 << 10

func newBufferLimit(closing <-chan struct{}, maxBytes, maxMessages int64, fail bool, onFull func()) *bufferLimit {
	return &bufferLimit{
		maxBytes: maxBytes, maxMessages: maxMessages, maxMemory: maxBytes + maxBytes/16 + memorySlack, failWhenFull: fail,
		first: make(chan struct{}, 1), freed: make(chan struct{}, 1), closing: closing, onFull: onFull,
	}
}

// addWithin adds n to the gauge unless that exceeds limit.
func addWithin(gauge *atomic.Int64, n, limit int64) bool {
	for {
		have := gauge.Load()
		if have+n > limit {
			return false
		}
		if gauge.CompareAndSwap(have, have+n) {
			return true
		}
	}
}

// tryReserveMessage reserves room for one message of size bytes, or nothing. It may fail because of
// room that a concurrent, failing call holds for a moment. The next outcome wakes that waiter:
// something is buffered, or the other call would have succeeded.
func (c *bufferLimit) tryReserveMessage(size int64) bool {
	if !addWithin(&c.messages, 1, c.maxMessages) {
		return false
	}
	if !addWithin(&c.bytes, size, c.maxBytes) {
		c.messages.Add(-1)
		return false
	}
	return true
}

// tryReserveMemory reserves n bytes of batch memory.
func (c *bufferLimit) tryReserveMemory(n int64) bool { return addWithin(&c.memory, n, c.maxMemory) }

// tryReserve is reserve without waiting. A message that can never fit does not try: it could make a
// concurrent call fail while nothing is buffered whose outcome would wake that caller.
func (c *bufferLimit) tryReserve(size int64) bool {
	return size <= c.maxBytes && c.waiting.Load() == 0 && c.tryReserveMessage(size)
}

// reserve reserves room for one message of size bytes. When the buffer is full, it waits or fails,
// as configured.
func (c *bufferLimit) reserve(ctx context.Context, size int64) error {
	if size > c.maxBytes {
		return fmt.Errorf("message of %d bytes, producer.max_buffered_bytes is %d: %w", size, c.maxBytes, iggyerr.ErrTooLarge)
	}
	return c.wait(ctx, func() bool { return c.tryReserveMessage(size) })
}

// reserveMemory reserves n bytes of batch memory. When the buffer is full, it waits or fails, as
// configured.
func (c *bufferLimit) reserveMemory(ctx context.Context, n int64) error {
	return c.wait(ctx, func() bool { return c.tryReserveMemory(n) })
}

func (c *bufferLimit) wait(ctx context.Context, try func() bool) error {
	if c.failWhenFull {
		if try() {
			return nil
		}
		return iggyerr.ErrBufferFull
	}
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	select {
	case c.first <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.closing:
		return iggyerr.ErrClosed
	}
	defer func() { <-c.first }()
	for !try() {
		c.onFull()
		select {
		case <-c.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.closing:
			return iggyerr.ErrClosed
		}
	}
	return nil
}

// release frees the room of messages that have their outcome.
func (c *bufferLimit) release(bytes, messages int64) {
	c.bytes.Add(-bytes)
	c.messages.Add(-messages)
	c.wakeFirstWaiter()
}

// releaseMemory frees n bytes of batch memory.
func (c *bufferLimit) releaseMemory(n int64) {
	if n != 0 {
		c.memory.Add(-n)
		c.wakeFirstWaiter()
	}
}

func (c *bufferLimit) wakeFirstWaiter() {
	if c.waiting.Load() > 0 {
		select {
		case c.freed <- struct{}{}:
		default:
		}
	}
}
