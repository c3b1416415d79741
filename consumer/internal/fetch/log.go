package fetch

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Log reads where logs end and what they hold.
type Log struct{ Consumer transport.Consumer }

// errNotAnswered says that a member may have asked for a partition that it does not own.
var errNotAnswered = errors.New("answered as if it belonged to another member")

// nowhere is an offset beyond every log.
const nowhere = 1 << 62

// LogEnd is the offset after the last message of a partition.
func LogEnd(meta transport.Topic, id uint32) (end uint64, ok bool) {
	for _, p := range meta.Partitions {
		if p.ID != id {
			continue
		}
		if p.Messages == 0 && p.CurrentOffset == 0 {
			return 0, true
		}
		return p.CurrentOffset + 1, true
	}
	return 0, false
}

// Ends reads where the logs of partitions end: from the topic, which may lack
// some, and where that is not permitted from each partition.
func (l Log) Ends(ctx context.Context, s Session, ids []uint32) (map[uint32]uint64, error) {
	ends := make(map[uint32]uint64, len(ids))
	var meta transport.Topic
	err := s.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		meta, err = c.Topic(ctx, l.Consumer.Stream, l.Consumer.Topic)
		return err
	})
	var status *iggyerr.StatusError
	switch {
	case err == nil:
		for _, id := range ids {
			if end, ok := LogEnd(meta, id); ok {
				ends[id] = end
			}
		}
		return ends, nil
	case !errors.As(err, &status):
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
	polled, err := l.poll(ctx, s, id, nowhere)
	switch {
	case err != nil:
		return 0, err
	case polled.Partition != id && l.Consumer.Group:
		return 0, l.notAnswered(id, "asked for its end")
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
			return 0, errors.Join(err, errNotAnswered)
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

// owns tells whether a partition is assigned to this member: the server
// refuses an offset beyond the log with one status for an assigned partition
// and with another for any other (measured on Iggy 0.8.0).
func (l Log) owns(ctx context.Context, s Session, id uint32) (bool, error) {
	err := s.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.StoreOffset(ctx, l.Consumer, id, nowhere)
	})
	var status *iggyerr.StatusError
	switch {
	case unreadable(err):
		return true, nil
	case errors.Is(err, iggyerr.ErrNotOwner), errors.As(err, &status) && status.Status == iggyerr.StatusGeneric:
		return false, nil
	}
	return false, err
}

// Same tells whether the message before the remembered place is still the one
// that was acknowledged: after a server lost the tail of a log, other messages
// may have got its offsets. It fails when the partition does not seem to be
// this member's any more: then nothing can be compared.
func (l Log) Same(ctx context.Context, s Session, id uint32, h *History, end uint64) (bool, error) {
	known := h.Remembered()
	switch {
	case !known.HasNext || known.Next > end:
		return false, nil
	case known.Timestamp == 0:
		return true, nil // nothing was acknowledged that could be compared
	}
	same, last := false, known.Next-1
	err := s.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := c.Poll(ctx, l.one(id, last))
		if unreadable(err) {
			polled, err = l.ReadByTime(ctx, c, id, h, last)
		}
		switch {
		case unreadable(err): // nor can it be compared
			return nil
		case err != nil:
			return err
		case len(polled.Messages) > 0:
			first := polled.Messages[0]
			same = first.Offset == last && first.Timestamp == known.Timestamp
		case l.Consumer.Group && (polled.Partition != id || id == 0 && polled.CurrentOffset == 0):
			// A member gets this answer for a partition that it does not own
			// (measured on Iggy 0.8.0): that of an empty partition 0.
			return l.notAnswered(id, fmt.Sprintf("asked for offset %d", last))
		}
		return nil
	})
	return same, err
}

func (l Log) notAnswered(id uint32, asked string) error {
	return fmt.Errorf("iggy: %s/%s/%d: %w: %s", l.Consumer.Stream, l.Consumer.Topic, id, errNotAnswered, asked)
}
