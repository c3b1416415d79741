package consumer

import (
	"context"
	"errors"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// offsetStore is the stored offset of one partition on the server. It implements commit.Store.
type offsetStore struct {
	e         *engine
	session   group.Session
	partition uint32
}

// store returns the stored offset of a partition.
func (e *engine) store(s group.Session, id uint32) offsetStore { return offsetStore{e, s, id} }

// Read implements commit.Store. A standalone consumer without a name has nothing stored.
func (s offsetStore) Read(ctx context.Context) (stored commit.Stored, err error) {
	if !s.e.storesOffsets {
		return commit.Stored{}, nil
	}
	err = s.session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		now, err := c.Offset(ctx, s.e.identity, s.partition)
		stored = commit.Stored{Offset: now.Offset, Any: now.Stored}
		return err
	})
	return stored, err
}

// Write implements commit.Store.
func (s offsetStore) Write(ctx context.Context, offset uint64) error {
	return s.session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.StoreOffset(ctx, s.e.identity, s.partition, offset)
	})
}

// Delete deletes the stored offset. It is no error when none is stored.
func (s offsetStore) Delete(ctx context.Context) error {
	err := s.session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.DeleteOffset(ctx, s.e.identity, s.partition)
	})
	var status *iggyerr.StatusError
	if errors.As(err, &status) && status.Status == iggyerr.StatusOffsetNotStored {
		return nil
	}
	return err
}

// Refused implements commit.Store.
func (s offsetStore) Refused(err error) bool { return protocol.IsRefused(err) }
