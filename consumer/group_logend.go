package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// logEnds reads where the logs of partitions end: from the topic's metadata, which may lack some,
// and where reading that is not permitted, from each partition.
func (m *membership) logEnds(ctx context.Context, ids []uint32) (map[uint32]uint64, error) {
	ends := make(map[uint32]uint64, len(ids))
	meta, err := m.topicMetadata(ctx)
	var status *iggyerr.StatusError
	switch {
	case err == nil:
		for _, id := range ids {
			if end, ok := partitionEnd(meta, id); ok {
				ends[id] = end
			}
		}
		return ends, nil
	case !errors.As(err, &status):
		return nil, err
	}
	for _, id := range ids {
		polled, err := m.pollBeyondEnd(ctx, int64(id))
		if err != nil {
			return nil, err
		}
		if polled.Partition != id && m.e.grouped {
			return nil, fmt.Errorf("iggy: %s/%s/%d: %w: asked for its end", m.e.identity.Stream, m.e.identity.Topic, id, errMaybeNotOwner)
		}
		ends[id] = polled.CurrentOffset + 1
		if polled.CurrentOffset == 0 {
			// The log is empty or has one message.
			if ends[id], err = m.countFirstMessage(ctx, id); err != nil {
				return nil, err
			}
		}
	}
	return ends, nil
}

// countFirstMessage is 1 when there is a message at the start of a log, else 0.
func (m *membership) countFirstMessage(ctx context.Context, id uint32) (n uint64, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := c.Poll(ctx, transport.Poll{
			Consumer: m.e.identity, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset},
		})
		if err == nil {
			n = uint64(len(polled.Messages))
		}
		return err
	})
	if err == nil && n == 0 && id == 0 && m.e.grouped {
		// A member without partitions gets this answer, too.
		if owned, err := m.ownsPartition(ctx, id); err != nil || !owned {
			return 0, errors.Join(err, errMaybeNotOwner)
		}
	}
	return n, err
}

// topicMetadata reads the metadata of the topic.
func (m *membership) topicMetadata(ctx context.Context) (meta transport.Topic, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		meta, err = c.Topic(ctx, m.e.identity.Stream, m.e.identity.Topic)
		return err
	})
	return meta, err
}

// storedOffset reads the stored offset of a partition.
func (m *membership) storedOffset(ctx context.Context, id uint32) (transport.Offset, error) {
	return m.e.storedOffset(ctx, m.session, id)
}
