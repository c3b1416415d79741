package deliver

import (
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// decode decodes a chunk, in a goroutine of its own: a codec may end its goroutine.
func (p *Pool) decode(q *Queue, c *chunk) {
	if c.due != nil {
		for i, m := range c.due {
			c.errs[i] = callback.Call(func() error { return p.app.DecodeAgain(m) })
			if c.errs[i] != nil && m.Value != nil {
				c.errs[i] = nil // it keeps its value
			}
		}
		return
	}
	go c.decode(q)
	<-c.done
	if c.err == nil {
		return
	}
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

// decode decodes a chunk of the queue, and admits its messages.
func (q *Queue) decode(c *chunk) {
	q.pool.decode(q, c)
	q.update(func(d *delivery) {
		d.admission.enter(c)
		d.checkDrained()
	})
}
