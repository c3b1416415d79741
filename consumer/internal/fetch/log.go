package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Log reads where logs end, and single messages of them. It has no state.
type Log struct{ Consumer transport.Consumer }

// errNotOwned says that the server answered as it does for a partition of another member.
var errNotOwned = errors.New("answered as if it belonged to another member")

// Ends reads where the logs of partitions end: from the topic, which may lack some partitions, and
// where that is not permitted from each partition.
func (l Log) Ends(ctx context.Context, s Session, ids []uint32) (map[uint32]uint64, error) {
	ends := make(map[uint32]uint64, len(ids))
	var meta transport.Topic
	err := s.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		meta, err = c.Topic(ctx, l.Consumer.Stream, l.Consumer.Topic)
		return err
	})
	switch {
	case err == nil:
		for _, id := range ids {
			if end, ok := protocol.LogEnd(meta, id); ok {
				ends[id] = end
			}
		}
		return ends, nil
	case !protocol.IsRefused(err):
		return nil, err
	}
	for _, id := range ids {
		if ends[id], err = l.end(ctx, s, id); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// end reads where the log of one partition ends, by a poll.
func (l Log) end(ctx context.Context, s Session, id uint32) (uint64, error) {
	polled, err := l.poll(ctx, s, id, protocol.BeyondLogs)
	switch {
	case err != nil:
		return 0, err
	case polled.Partition != id && l.Consumer.Group:
		return 0, l.notOwned(id, "asked for its end")
	case polled.CurrentOffset > 0:
		return polled.CurrentOffset + 1, nil
	}
	// Empty, or of one message.
	if polled, err = l.poll(ctx, s, id, 0); err != nil || len(polled.Messages) > 0 {
		return 1, err
	}
	if id == 0 && l.Consumer.Group {
		// A member that owns nothing is answered like this, too.
		if owned, err := l.owns(ctx, s, id); err != nil || !owned {
			return 0, errors.Join(err, errNotOwned)
		}
	}
	return 0, nil
}

// poll asks for one message.
func (l Log) poll(ctx context.Context, s Session, id uint32, offset uint64) (polled *transport.Polled, err error) {
	err = s.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err = c.Poll(ctx, l.one(id, offset))
		return err
	})
	return polled, err
}

// one is a poll for one message, whose payload does not matter.
func (l Log) one(id uint32, offset uint64) transport.Poll {
	return transport.Poll{
		Consumer: l.Consumer, Partition: int64(id), Count: 1, MaxBytes: 1,
		Strategy: transport.Strategy{Kind: transport.FromOffset, Value: offset},
	}
}

// owns reports whether a partition is assigned to this member.
func (l Log) owns(ctx context.Context, s Session, id uint32) (owned bool, err error) {
	err = s.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		owned, err = protocol.Owns(ctx, c, l.Consumer, id)
		return err
	})
	return owned, err
}

// Unchanged reports whether the message before the remembered place is still the one that was
// acknowledged: after a server lost the last messages of a log, new messages may have their
// offsets. It fails when the partition does not seem to be assigned to this member any more: then
// nothing can be compared.
func (l Log) Unchanged(ctx context.Context, s Session, id uint32, h *History, end uint64) (bool, error) {
	remembered := h.remembered()
	switch {
	case !remembered.HasNext || remembered.Next > end:
		return false, nil
	case remembered.Timestamp == 0:
		return true, nil // nothing was acknowledged that could be compared
	}
	unchanged, last := false, remembered.Next-1
	err := s.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := l.read(ctx, c, id, h, last)
		switch {
		case protocol.IsInvalidOffset(err): // it can't be compared either
			unchanged = remembered.Purged.saved()
			return nil
		case err != nil:
			return err
		case len(polled.Messages) > 0:
			// A purged message is returned in place of the acknowledged one, which can't be
			// compared.
			first := polled.Messages[0]
			unchanged = first.Offset == last && (first.Timestamp == remembered.Timestamp || first.Timestamp <= remembered.Purged.Timestamp)
		case l.Consumer.Group && (polled.Partition != id || id == 0 && polled.CurrentOffset == 0):
			// A member gets this answer for a partition that it does not own (measured on Iggy
			// 0.8.0): that of an empty partition 0.
			return l.notOwned(id, fmt.Sprintf("asked for offset %d", last))
		}
		return nil
	})
	return unchanged, err
}

// read reads the message at an offset, by its time if it is refused by its offset. When it can't be
// read at all the error is a StatusError with the status "invalid offset".
func (l Log) read(ctx context.Context, c transport.Conn, id uint32, h *History, offset uint64) (*transport.Polled, error) {
	if h.isUnreadable(offset) {
		return nil, l.refused(id)
	}
	polled, err := c.Poll(ctx, l.one(id, offset))
	switch {
	case protocol.IsInvalidOffset(err):
		return l.readByTime(ctx, c, id, h, offset)
	case errors.Is(err, transport.ErrUndecodable):
		h.setUnreadable(offset)
	}
	return polled, err
}

// A server with default settings saves the messages of a partition when it has so many that are not
// saved, or so many bytes of them.
const (
	maxUnsaved      = 1 << 10
	maxUnsavedBytes = 1 << 20
)

// Purged reports whether the log was purged after the committed offset was stored, when none is
// stored any more: a purge deletes it, and what was stored afterwards has lower offsets. New
// messages may be more than the purged ones were, so that the log does not seem to be shorter.
func (l Log) Purged(ctx context.Context, s Session, id uint32, h *History) (purged bool, err error) {
	remembered := h.remembered()
	switch {
	case !remembered.HasCommitted || remembered.CommittedTime == 0:
		return false, nil
	case remembered.Purged.saved() && remembered.Purged.Timestamp >= remembered.CommittedTime:
		return true, nil
	}
	next := transport.Poll{
		Consumer: l.Consumer, Partition: int64(id), Count: maxUnsaved, MaxBytes: maxUnsavedBytes,
		Strategy: transport.Strategy{Kind: transport.FromTimestamp, Value: remembered.CommittedTime + 1},
	}
	err = s.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := c.Poll(ctx, next)
		switch {
		case err == nil:
			purged = slices.ContainsFunc(polled.Messages, func(m wire.Message) bool { return m.Offset <= remembered.Committed })
		case errors.Is(err, transport.ErrUndecodable):
			h.saved(remembered.CommittedTime)
		}
		return err
	})
	return purged, err
}

// notOwned says that the server answered a request as it does for a partition of another member.
func (l Log) notOwned(id uint32, request string) error {
	return fmt.Errorf("iggy: %s/%s/%d: %w: %s", l.Consumer.Stream, l.Consumer.Topic, id, errNotOwned, request)
}
