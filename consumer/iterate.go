package consumer

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Next waits for the next message, which the caller acknowledges with Ack or Nack,
// also with ack_mode auto; with on_poll it is acknowledged already. The first
// call begins the consumption. Several goroutines may call it.
//
// Messages of one key are given out one at a time: the next one comes after the
// one before was acknowledged, so do not collect messages before acknowledging them. End
// each message by Ack or Nack, also one whose partition was lost meanwhile,
// which its Context tells: until then it counts, and its partition waits.
//
// It fails with ctx's cause when ctx ends, with iggyerr.ErrClosed when the
// consumer is not started or stops, and with ErrConsuming when a handler is set.
func (c *Consumer[T]) Next(ctx context.Context) (*Message[T], error) {
	if err := c.startIteration(); err != nil {
		return nil, err
	}
	msg, err := c.e.nextMessage(ctx)
	if err != nil {
		return nil, err
	}
	msg.partition.mu.Lock()
	defer msg.partition.mu.Unlock()
	return msg.typed.(*Message[T]), nil
}

// iterate notes that messages go to callers of Next.
func (c *Consumer[T]) startIteration() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.mode == modeHandler:
		return fmt.Errorf("iggy: consumer %s: %w", c.e.name, ErrConsuming)
	case c.state != stateStarted || c.consuming && c.mode == modeNone:
		return iggyerr.ErrClosed
	}
	if c.mode == modeNone {
		c.mode, c.e.isolateDecoding = modeIteration, true
	}
	c.startConsuming()
	return nil
}

// Messages iterates over the messages as they come, like Next. It ends without
// an error when ctx ends or the consumer stops, and with one, as the last pair, when
// it can't go on otherwise.
//
// With ack_mode auto a message that the loop's body has not settled is
// acknowledged when the body asks for the next one. One that the loop was left with,
// by break, return or panic, was not handled and is given back: it is the first of its
// partition that comes next, here or after a stop, and this delivery does
// not count for max_deliveries. So acknowledge the last one before you break.
// With manual it stays with the application.
func (c *Consumer[T]) Messages(ctx context.Context) iter.Seq2[*Message[T], error] {
	return func(yield func(*Message[T], error) bool) {
		for {
			m, err := c.Next(ctx)
			if err != nil {
				if ctx.Err() == nil && !errors.Is(err, iggyerr.ErrClosed) {
					yield(nil, err)
				}
				return
			}
			if !c.yieldMessage(m, yield) {
				return
			}
		}
	}
}

// offer gives m to a loop's body and tells whether that asks for the next one.
func (c *Consumer[T]) yieldMessage(m *Message[T], yield func(*Message[T], error) bool) bool {
	if c.e.cfg.AckMode != config.AckAuto {
		return yield(m, nil)
	}
	handled := false
	defer func() {
		if !handled { // the loop was left, perhaps by a panic
			m.msg.partition.takeBack(m.msg, m.delivery)
		}
	}()
	if handled = yield(m, nil); handled {
		m.Ack()
	}
	return handled
}
