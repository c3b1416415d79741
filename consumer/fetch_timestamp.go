package consumer

import (
	"context"
	"errors"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// maxRefusedBefore is how many messages before a refused one may be refused, too.
const maxRefusedBefore = 16

// isUnreadable reports whether a poll was refused because of the contents of the log. A server that
// was killed between writing a log and writing its index refuses every answer with the first
// message that was stored afterwards, for good: remains with the same offset stand before it
// (measured on Iggy 0.8.0).
func isUnreadable(err error) bool {
	var status *iggyerr.StatusError
	return errors.As(err, &status) && status.Status == iggyerr.StatusInvalidOffset
}

// readByTimestamp reads a message by its time that the server refuses by its offset: then the
// server checks nothing, and the remains come with the message. The time of the message is not
// known, but that of a message before it is, and it is earlier, since the server was started in
// between. When there is no such message, the error is one for which isUnreadable is true.
func (e *engine) readByTimestamp(ctx context.Context, c transport.Conn, partition uint32, h *history, offset uint64) (*transport.Polled, error) {
	refused := &iggyerr.StatusError{Op: "poll", Object: e.identity.Object(int64(partition)), Status: iggyerr.StatusInvalidOffset}
	if h.unreadablePlusOne.Load() == offset+1 {
		return nil, refused
	}
	for back := uint64(1); back <= min(maxRefusedBefore, offset+1); back++ {
		after, err := e.timestampBefore(ctx, c, partition, offset, back)
		if isUnreadable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// No limit of bytes, which might leave only the remains.
		polled, err := c.Poll(ctx, transport.Poll{Consumer: e.identity, Partition: int64(partition), Count: uint32(back), Strategy: after})
		if err != nil {
			if errors.Is(err, iggyerr.ErrProtocol) {
				h.unreadablePlusOne.Store(offset + 1) // each attempt would end the connection
			}
			return nil, err
		}
		for i := range polled.Messages {
			if polled.Messages[i].Offset == offset {
				polled.Messages = polled.Messages[i : i+1]
				return polled, nil
			}
		}
		return nil, refused
	}
	return nil, refused
}

// timestampBefore returns the start, by time, of what follows the message that stands back messages
// before offset; before the first message it is the start of the log.
func (e *engine) timestampBefore(ctx context.Context, c transport.Conn, partition uint32, offset, back uint64) (transport.Strategy, error) {
	after := transport.Strategy{Kind: transport.FromTimestamp}
	if back > offset {
		return after, nil
	}
	before, err := c.Poll(ctx, transport.Poll{
		Consumer: e.identity, Partition: int64(partition), Count: 1, MaxBytes: 1,
		Strategy: transport.Strategy{Kind: transport.FromOffset, Value: offset - back},
	})
	if err == nil && len(before.Messages) > 0 {
		after.Value = before.Messages[0].Timestamp + 1
	}
	return after, err
}
