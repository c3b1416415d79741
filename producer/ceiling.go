package producer

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// ceiling bounds what is buffered and in flight, by three gauges: encoded
// bytes, messages, and the memory that batches hold on to. The first two are the
// configured ceilings. The third allows for what the first can't see, free room in
// batches and the bookkeeping of messages, and is a sixteenth higher, so that the
// heap is bounded by the configuration, too.
//
// The queue of those who wait is bounded by the number of calling goroutines; they get
// room in the order in which they came.
type ceiling struct {
	maxBytes, maxMessages, maxMemory int64
	fail                             bool

	bytes, messages, memory atomic.Int64
	open                    atomic.Int64 // of memory, what open batches hold

	waiting  atomic.Int32
	turn     chan struct{} // held by the first in the queue; channels are fair
	released chan struct{} // a token for the first in the queue
	closing  context.Context
	pressed  func() // called when someone begins to wait
}

// memorySlack lets tiny ceilings work.
const memorySlack = 64 << 10

func newCeiling(closing context.Context, maxBytes, maxMessages int64, fail bool, pressed func()) *ceiling {
	return &ceiling{
		maxBytes: maxBytes, maxMessages: maxMessages, maxMemory: maxBytes + maxBytes/16 + memorySlack, fail: fail,
		turn: make(chan struct{}, 1), released: make(chan struct{}, 1), closing: closing, pressed: pressed,
	}
}

func add(gauge *atomic.Int64, n, limit int64) bool {
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

// tryMessage takes room for a message or nothing. Whoever fails because of room
// that another one takes for a moment here is woken by the next outcome: something is
// buffered, or the other one would have succeeded.
func (c *ceiling) tryMessage(size int64) bool {
	if !add(&c.messages, 1, c.maxMessages) {
		return false
	}
	if !add(&c.bytes, size, c.maxBytes) {
		c.messages.Add(-1)
		return false
	}
	return true
}

func (c *ceiling) tryMemory(n int64) bool { return add(&c.memory, n, c.maxMemory) }

// affords tells whether n more bytes may be taken for open batches ahead of the
// messages that will fill them: a quarter of the memory in all. Beyond that batches
// grow with their messages, so that busy partitions leave room for others.
func (c *ceiling) affords(n int64) bool { return c.open.Load()+n <= c.maxMemory/4 }

// enterNow is enter where that needs no waiting. What can never fit must not try: nothing might
// be buffered that wakes whoever fails beside it.
func (c *ceiling) enterNow(size int64) bool {
	return size <= c.maxBytes && c.waiting.Load() == 0 && c.tryMessage(size)
}

// enter takes room for one message of size bytes, waiting for it when so configured.
func (c *ceiling) enter(ctx context.Context, size int64) error {
	if size > c.maxBytes {
		return fmt.Errorf("message of %d bytes, producer.max_buffered_bytes is %d: %w", size, c.maxBytes, iggyerr.ErrTooLarge)
	}
	return c.wait(ctx, func() bool { return c.tryMessage(size) })
}

// enterMemory takes room for n bytes of batch memory.
func (c *ceiling) enterMemory(ctx context.Context, n int64) error {
	return c.wait(ctx, func() bool { return c.tryMemory(n) })
}

func (c *ceiling) wait(ctx context.Context, try func() bool) error {
	if c.fail {
		if try() {
			return nil
		}
		return iggyerr.ErrBufferFull
	}
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.closing.Done():
		return iggyerr.ErrClosed
	}
	defer func() { <-c.turn }()
	for !try() {
		c.pressed()
		select {
		case <-c.released:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.closing.Done():
			return iggyerr.ErrClosed
		}
	}
	return nil
}

// leave gives back the room of messages that have their outcome.
func (c *ceiling) leave(bytes, messages int64) {
	c.bytes.Add(-bytes)
	c.messages.Add(-messages)
	c.wakeFirst()
}

func (c *ceiling) leaveMemory(n int64) {
	if n != 0 {
		c.memory.Add(-n)
		c.wakeFirst()
	}
}

func (c *ceiling) wakeFirst() {
	if c.waiting.Load() > 0 {
		select {
		case c.released <- struct{}{}:
		default:
		}
	}
}
