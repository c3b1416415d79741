package deliver

import (
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// A codec may panic, or end its goroutine. So workers, whose end is noticed, decode in their own
// goroutine, and the callers of Next have another one decode.

// decode decodes a chunk of the queue, and admits its messages. When the codec ends the goroutine,
// worker.exited does the rest.
func (w *worker) decode(q *Queue, c *chunk) {
	if c.due == nil {
		w.chunk = c
		c.err = callback.Recover(func() error {
			c.decoded = q.pool.app.Decode(q, c.raw, c.decoded)
			return nil
		})
		w.chunk = nil
	}
	q.admit(c)
}

// decode decodes a chunk of the queue in another goroutine, and admits its messages.
func (q *Queue) decode(c *chunk) {
	if c.due == nil {
		go c.decode(q)
		<-c.done
	}
	q.admit(c)
}

// decode decodes new messages.
func (c *chunk) decode(q *Queue) {
	callback.Run(func() error {
		c.decoded = q.pool.app.Decode(q, c.raw, c.decoded)
		return nil
	}, func(err error) {
		c.err = err
		c.done <- struct{}{}
	})
}

// admit admits the messages of a chunk. Those that are due, and those of a chunk that could not be
// decoded as a whole, are decoded one by one before.
func (q *Queue) admit(c *chunk) {
	switch {
	case c.due != nil:
		q.decodeDue(c)
	case c.err != nil:
		q.decodeEach(c)
	}
	q.update(func(d *delivery) {
		d.admission.enter(c)
		d.checkDrained()
	})
}

func (q *Queue) decodeDue(c *chunk) {
	for i, m := range c.due {
		c.errs[i] = callback.Call(func() error { return q.pool.app.DecodeAgain(m) })
		if c.errs[i] != nil && m.Value != nil {
			c.errs[i] = nil // it keeps its value
		}
	}
}

func (q *Queue) decodeEach(c *chunk) {
	p := q.pool
	c.decoded = c.decoded[:0]
	for i := range c.raw {
		var one []*Message
		err := callback.Call(func() error {
			one = p.app.Decode(q, c.raw[i:i+1], nil)
			return nil
		})
		if err != nil {
			one = []*Message{p.app.Undecodable(q, &c.raw[i], err)}
		}
		c.decoded = append(c.decoded, one...)
	}
}
