package native

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// The calls that wait for an answer read the answers themselves, one call at a time. A reading
// goroutine would have to wake each caller, which costs a single caller more than the rest of the
// client's work. The call that holds the read lock reads until its own answer has come, settles the
// calls whose answers come before, and releases the lock. When no call has read for a while, the
// connection's goroutine reads, so that the end of a connection without calls is noticed, too.

// idleReadInterval is how long no call has read when the connection's goroutine reads. It is longer
// than the pauses of an idle consumer, whose calls read themselves: a shorter interval cost half of
// its CPU time.
const idleReadInterval = time.Second

// idleReadPhase is when the connections of a process check that, within each interval. They do so
// together: waking an idle process costs more than all of their checks.
var idleReadPhase = rand.N(idleReadInterval)

// untilIdleRead returns how long it takes until the next check, at least half an interval: in a short
// one, a connection with calls would seem to have none.
func untilIdleRead() time.Duration {
	wait := idleReadInterval - (time.Duration(time.Now().UnixNano())+idleReadPhase)%idleReadInterval
	if wait < idleReadInterval/2 {
		wait += idleReadInterval
	}
	return wait
}

// await waits until the call is settled or its context ends.
func (c *conn) await(ctx context.Context, k *call) error {
	for ctx.Err() == nil && k.state.Load() == callWaiting {
		select {
		case c.readLock <- struct{}{}:
			c.readUntilSettled(k)
			continue
		default:
		}
		select {
		case <-k.done:
			k.done <- struct{}{} // for the receive below
		case c.readLock <- struct{}{}:
			c.readUntilSettled(k)
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil && k.state.CompareAndSwap(callWaiting, callCancelled) {
		return c.connError(k, true, context.Cause(ctx))
	}
	<-k.done
	if k.err != nil {
		return c.connError(k, true, k.err)
	}
	return nil
}

// readUntilSettled reads answers until k is settled or its context ends, and releases the read
// lock.
func (c *conn) readUntilSettled(k *call) {
	defer func() { <-c.readLock }()
	k.interrupter.begin(useRead)
	var err error
	for err == nil && k.state.Load() == callWaiting {
		err = c.readAnswer()
	}
	k.interrupter.end()
	// Answers that are in the buffer take no time to read.
	for err == nil && c.reader.hasWholeAnswer() {
		err = c.readAnswer()
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.fail(err)
	}
}

// readWhenIdle reads when no call does, until the connection ends.
func (c *conn) readWhenIdle() {
	defer close(c.watchDone)
	check := time.NewTimer(untilIdleRead())
	defer check.Stop()
	last := uint64(0)
	for {
		select {
		case <-c.done:
			return
		case <-check.C:
			check.Reset(untilIdleRead())
		}
		c.bodies.trim()
		if now := c.answers.Load(); now != last {
			last = now
			continue
		}
		c.bodies.trim() // nobody needs any of them
		select {
		case <-c.done:
			return
		case c.readLock <- struct{}{}:
		}
		err := c.readAnswer()
		<-c.readLock
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.fail(err)
			return
		}
	}
}

// readAnswer reads an answer, or the rest of one that another reader has begun, and settles its
// call. Only the holder of the read lock may call it. After os.ErrDeadlineExceeded it can be called
// again. After other errors the connection is unusable.
func (c *conn) readAnswer() error {
	r := &c.reader
	if r.call == nil {
		if err := r.readHeader(c.frontCall); err != nil {
			return err
		}
	}
	if err := r.readBody(); err != nil {
		return err
	}
	c.answers.Add(1)
	k, status, a := r.call, r.status, answer{body: r.body, truncated: r.truncated, pooled: r.pooled}
	r.call, r.body, r.pooled = nil, nil, nil
	op := k.op // k must not be used once it is settled
	if c.dequeue(k) {
		<-c.slots
	}
	k.settle(status, a, nil)
	if status != 0 {
		if refused := (&iggyerr.StatusError{Op: op, Status: status}); iggyerr.BreaksConnection(refused) {
			return refused
		}
	}
	return nil
}
