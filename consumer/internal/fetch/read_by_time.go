package fetch

import (
	"context"
	"errors"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// maxUnreadable is how many messages before an unreadable one may be unreadable, too.
const maxUnreadable = 16

// readByTime reads by its time a message that the server refuses by its offset.
//
// A server that was killed between writing a log and writing its index refuses every answer that
// begins with the first message that was stored afterwards, and does so for ever: remains with the
// same offset are stored before the message (measured on Iggy 0.8.0). A poll by time is not
// checked, and its answer has the remains and the message. The time of the message is not known,
// but that of a message before it is, which is earlier, since the server was started in between.
// When there is no such message the error is a StatusError with the status "invalid offset".
func (l Log) readByTime(ctx context.Context, c transport.Conn, partition uint32, h *History, offset uint64) (*transport.Polled, error) {
	who, refused := l.Consumer, l.refused(partition)
	if h.isUnreadable(offset) {
		return nil, refused
	}
	for back := uint64(1); back <= min(maxUnreadable, offset+1); back++ {
		after, err := l.timeBefore(ctx, c, partition, offset, back)
		if protocol.IsInvalidOffset(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// No bound in bytes, which might cut off all but the remains.
		polled, err := c.Poll(ctx, transport.Poll{Consumer: who, Partition: int64(partition), Count: uint32(back), Strategy: after})
		if err != nil {
			if errors.Is(err, transport.ErrUndecodable) {
				h.setUnreadable(offset)
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

// refused is the error for a message that can't be read.
func (l Log) refused(partition uint32) error {
	return &iggyerr.StatusError{Op: "poll", Object: l.Consumer.Object(int64(partition)), Status: iggyerr.StatusInvalidOffset}
}

// timeBefore is the time after the message that stands back messages before offset; before the
// first message it is the start of the log.
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
