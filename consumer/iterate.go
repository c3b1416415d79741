package consumer

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
)

// Next waits for the next message. The caller acknowledges it with Ack or Nack, also with ack_mode
// auto; with on_poll it is acknowledged already. The first call begins the consumption. Several
// goroutines may call Next.
//
// Messages of one key are returned one at a time: the next one follows after the acknowledgement of
// the one before, so do not collect messages before acknowledging them. Settle each message by Ack
// or Nack, also one whose Context tells that its partition was lost: until then the message is in
// flight, and its partition waits.
//
// Next returns the cause of ctx's end, iggyerr.ErrNotConnected when the consumer has not started yet,
// iggyerr.ErrClosed when it stops, and ErrConsuming when there is a handler. It returns an error that
// matches iggyerr.ErrNotFound when the topic or the group is missing and the consumer has never been
// a member; admin.Provision creates them, and the next call finds them. See WaitForProvisioning.
func (c *Consumer[T]) Next(ctx context.Context) (*Message[T], error) {
	if err := argument.Context(ctx); err != nil {
		return nil, err
	}
	if err := c.startIteration(); err != nil {
		return nil, err
	}
	if err := c.e.membership.wait(ctx); err != nil {
		return nil, err
	}
	d, err := c.e.pool.Next(ctx)
	if err != nil {
		return nil, err
	}
	return d.Value.(*Message[T]), nil
}

// startIteration sets that messages go to the callers of Next.
func (c *Consumer[T]) startIteration() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.mode == modeHandler:
		return fmt.Errorf("iggy: consumer %s: %w", c.e.name, ErrConsuming)
	case c.life.State() < startstop.StateStarted:
		return fmt.Errorf("iggy: consumer %s is not started: %w", c.e.name, iggyerr.ErrNotConnected)
	case c.life.State() > startstop.StateStarted || c.consuming && c.mode == modeNone:
		return iggyerr.ErrClosed
	}
	if err := c.refuseMiddleware(); err != nil {
		return err
	}
	if c.mode == modeNone {
		c.mode = modeIteration
	}
	c.startConsuming()
	return nil
}

// Messages iterates over the messages as Next returns them. It ends without an error when ctx ends
// or the consumer stops, and with an error as the last pair when it can't begin, since the consumer has
// not started yet or has a handler, or the topic or the group is missing.
//
// With ack_mode auto, a message that the body of the loop has not settled is acknowledged when the
// body asks for the next one. When the loop ends by break, return or panic, the current message
// counts as not handled: it is the next one that its partition delivers, here or after a stop, and
// this delivery does not count for max_deliveries. So acknowledge the last message before you
// break. With manual it stays with the application.
func (c *Consumer[T]) Messages(ctx context.Context) iter.Seq2[*Message[T], error] {
	return func(yield func(*Message[T], error) bool) {
		for {
			m, err := c.Next(ctx)
			if err != nil {
				if (ctx == nil || ctx.Err() == nil) && !errors.Is(err, iggyerr.ErrClosed) {
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

// yieldMessage passes m to the body of a loop and reports whether the body asks for the next one.
func (c *Consumer[T]) yieldMessage(m *Message[T], yield func(*Message[T], error) bool) bool {
	if c.e.cfg.AckMode != config.AckAuto {
		return yield(m, nil)
	}
	handled := false
	defer func() {
		if !handled { // the loop was left, perhaps by a panic
			m.d.(*consumed).message().GiveBack()
		}
	}()
	if handled = yield(m, nil); handled {
		m.Ack()
	}
	return handled
}
