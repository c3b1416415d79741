package native

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Who reads: the calls that wait for an answer do it themselves, one of them at
// a time, since a goroutine of its own would have to wake each caller, which
// costs a lone caller more than all the rest of the client's work. The one that
// holds the lead reads until its own answer has come, hands out those that come
// before, and gives the lead to another one. When no call has read for a
// while, the connection's own goroutine takes the lead, so that a connection
// that ends is noticed without calls, too.

// quiet is how long nothing was read when the connection's own goroutine takes
// the lead. It is longer than the pauses of an idle consumer, whose calls read
// for themselves: looking oftener than they do cost half of its CPU time.
const quiet = time.Second

// await waits until the call has its outcome, or its context ends.
func (c *conn) await(ctx context.Context, k *call) error {
	for ctx.Err() == nil && k.state.Load() == waiting {
		select {
		case c.lead <- struct{}{}:
			c.read(k)
			continue
		default:
		}
		select {
		case <-k.done:
			k.done <- struct{}{} // for the end of this function
		case c.lead <- struct{}{}:
			c.read(k)
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil && k.state.CompareAndSwap(waiting, abandoned) {
		return c.connError(k, true, context.Cause(ctx))
	}
	<-k.done
	if k.err != nil {
		return c.connError(k, true, k.err)
	}
	return nil
}

// read holds the lead until k has its outcome or its context ends.
func (c *conn) read(k *call) {
	defer func() { <-c.lead }()
	k.guard.enter(reading)
	var err error
	for err == nil && k.state.Load() == waiting {
		err = c.readAnswer()
	}
	k.guard.leave()
	// What has come with it needs no reading.
	for err == nil && c.reader.complete() {
		err = c.readAnswer()
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.fail(err)
	}
}

// watch takes the lead when it is quiet, until the connection ends.
func (c *conn) watch() {
	defer close(c.ended)
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	last := uint64(0)
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		if now := c.answers.Load(); now != last {
			last = now
			continue
		}
		select {
		case <-c.done:
			return
		case c.lead <- struct{}{}:
		}
		err := c.readAnswer()
		<-c.lead
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.fail(err)
			return
		}
	}
}

// readAnswer reads an answer, or what a reader before has left of it, and
// hands it to its call. Only the holder of the lead may call it. After
// os.ErrDeadlineExceeded it can be called again; after other errors the
// connection is of no use.
func (c *conn) readAnswer() error {
	r := &c.reader
	if r.call == nil {
		if err := r.head(c.first); err != nil {
			return err
		}
	}
	if err := r.rest(); err != nil {
		return err
	}
	c.answers.Add(1)
	k, status, a := r.call, r.status, answer{body: r.body, dropped: r.cut, pooled: r.pooled}
	r.call, r.body, r.pooled = nil, nil, nil
	op := k.op // k belongs to its caller once it is settled
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

// first is the call that the next answer is for.
func (c *conn) first() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.front()
}

// dequeue takes k out of the queue unless the connection's end has done so.
func (c *conn) dequeue(k *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.front() != k {
		return false
	}
	c.queue.pop()
	return true
}
