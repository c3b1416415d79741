package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// offsetMovedError says that the stored offset of a partition is not the one that this consumer
// stored: an operator moved it, or deleted it.
type offsetMovedError struct{ current transport.Offset }

func (e *offsetMovedError) Error() string {
	if !e.current.Stored {
		return "the stored offset was deleted by someone else"
	}
	return fmt.Sprintf("the stored offset was moved to %d by someone else", e.current.Offset)
}

// checkStoredOffset returns an offsetMovedError if the stored offset is not the expected one. It
// precedes each commit: the server can't compare and store, and a busy consumer would overwrite an
// operator's reset long before verifyPartitions sees it. Where the offset can't be read, the commit
// finds out.
func (e *engine) checkStoredOffset(ctx context.Context, p *partition) error {
	now, err := e.storedOffset(ctx, p.session, p.id)
	var status *iggyerr.StatusError
	if errors.As(err, &status) {
		return nil
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.storedOffsetMoved(now) {
		return &offsetMovedError{now}
	}
	return nil
}

// storedOffsetMoved reports whether someone else stored or deleted the offset. p.mu is held.
func (p *partition) storedOffsetMoved(now transport.Offset) bool {
	if now.Stored && now.Offset == p.attemptedOffset {
		return false
	}
	return now.Stored != p.hasStored || now.Offset != p.storedOffset
}

// storedOffset reads the stored offset of a partition.
func (e *engine) storedOffset(ctx context.Context, s *link.Session, id uint32) (stored transport.Offset, err error) {
	if !e.storesOffsets {
		return transport.Offset{}, nil
	}
	err = s.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		stored, err = c.Offset(ctx, e.identity, id)
		return err
	})
	return stored, err
}

// storeOffset stores an offset, without a comparison.
func (e *engine) storeOffset(ctx context.Context, p *partition, offset uint64) error {
	if !e.storesOffsets {
		return nil
	}
	return p.session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.StoreOffset(ctx, e.identity, p.id, offset)
	})
}
