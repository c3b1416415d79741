package fetch

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// reach is how many messages before one that is refused may be refused, too.
const reach = 16

// unreadable tells whether a poll was refused because of what the log holds. A
// server that was killed between writing a log and writing its index refuses
// every answer with the first message that came afterwards, for good: remains
// with the same offset stand before it (measured on Iggy 0.8.0).
func unreadable(err error) bool {
	var status *iggyerr.StatusError
	return errors.As(err, &status) && status.Status == iggyerr.StatusInvalidOffset
}

// ReadByTime reads a message by its time that the server refuses by its
// offset: then the server checks nothing, and the remains come with it. Its
// time is not known, but that of a message before it is, which is earlier,
// since the server was started in between. When there is no such message the
// error is a StatusError with the status "invalid offset".
func (l Log) ReadByTime(ctx context.Context, c transport.Conn, partition uint32, h *History, offset uint64) (*transport.Polled, error) {
	who := l.Consumer
	refused := &iggyerr.StatusError{Op: "poll", Object: who.Object(int64(partition)), Status: iggyerr.StatusInvalidOffset}
	if h.unreadable.Load() == offset+1 {
		return nil, refused
	}
	for back := uint64(1); back <= min(reach, offset+1); back++ {
		after, err := l.timeBefore(ctx, c, partition, offset, back)
		if unreadable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// No bound in bytes, which might cut off all but the remains.
		polled, err := c.Poll(ctx, transport.Poll{Consumer: who, Partition: int64(partition), Count: uint32(back), Strategy: after})
		if err != nil {
			if errors.Is(err, iggyerr.ErrProtocol) {
				h.unreadable.Store(offset + 1) // or each attempt would cost the connection
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

// timeBefore is the time after the message that stands back messages before
// offset; before the first message it is the start of the log.
func (l Log) timeBefore(ctx context.Context, c transport.Conn, partition uint32, offset, back uint64) (transport.Strategy, error) {
	after := transport.Strategy{Kind: transport.FromTimestamp}
	if back > offset {
		return after, nil
	}
	before, err := c.Poll(ctx, transport.Poll{
		Consumer: l.Consumer, Partition: int64(partition), Count: 1, MaxBytes: 1,
		Strategy: transport.Strategy{Kind: transport.FromOffset, Value: offset - back},
	})
	if err == nil && len(before.Messages) > 0 {
		after.Value = before.Messages[0].Timestamp + 1
	}
	return after, err
}

// gapError says that on_gap stopped a partition.
func gapError(who transport.Consumer, partition uint32, expected, first uint64) error {
	return fmt.Errorf("iggy: %s/%s/%d: offset %d was expected and the log continues at %d (on_gap: stop)",
		who.Stream, who.Topic, partition, expected, first)
}
