package consumer

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Take implements group.Partitions: it reads where partitions are to begin and
// prepares them.
func (a *assignments) Take(ctx context.Context, s group.Session, claims []group.Claim) (assigned []uint32, err error) {
	ids := make([]uint32, len(claims))
	for i, c := range claims {
		ids[i] = c.Partition
	}
	ends, err := a.log.Ends(ctx, s, ids)
	if err != nil {
		return nil, err
	}
	for _, c := range claims {
		end, known := ends[c.Partition]
		if !known {
			continue // without its end, it would be taken for one that lost everything
		}
		if err := a.take(ctx, s, c, end); err != nil {
			return assigned, err
		}
		assigned = append(assigned, c.Partition)
	}
	return assigned, nil
}

// take prepares one partition.
func (a *assignments) take(ctx context.Context, s group.Session, c group.Claim, end uint64) error {
	stored, err := a.store(s, c.Partition).Read(ctx)
	if err != nil {
		return err
	}
	h := a.history(c.Partition)
	same, err := a.log.Same(ctx, s, c.Partition, h.fetch, end)
	if err != nil {
		return err
	}
	at := a.decide(c, h, stored, end, same)
	return a.prepare(ctx, s, c, h, at, stored)
}

// decide says where a partition begins.
func (a *assignments) decide(c group.Claim, h *history, stored commit.Stored, end uint64, same bool) (at fetch.Start) {
	policy := a.policy(c.Partition)
	h.fetch.Update(func(r *fetch.Remembered) {
		if policy.Chosen != nil && !r.HasNext {
			if chosen, ok := policy.Chosen(end); ok {
				at = chosen
				return
			}
		}
		at = policy.Decide(r, stored.Offset, stored.Any, end, same)
		if f := c.Finding; f.Truncated && at.Reset == "" {
			// What was acknowledged is still there, but what was delivered since
			// is not. Whatever came instead is behind it.
			at = policy.ResetTo(r, at, fmt.Sprintf("offset %d was reached and the log ends before %d", f.Reached, end))
		}
	})
	if at.Reset != "" && c.Attempt < logged {
		a.e.log.Warn("offset reset: "+at.Reset, zap.Uint32("partition", c.Partition), zap.Uint64("offset", at.Position),
			zap.String("on_reset", string(a.e.cfg.OnReset)))
	}
	return at
}

// logged is how many times in a row the reset of a partition is logged here. The
// group logs those that follow, since they may go on without end.
const logged = 3

// policy is how a partition starts.
func (a *assignments) policy(id uint32) fetch.Policy {
	p := fetch.Policy{From: a.e.cfg.StartFrom, OnReset: a.e.cfg.OnReset, Partition: a.e.object(id)}
	if start := a.e.standalone.Start; start != (Position{}) {
		p.Chosen = start.resolve
	}
	return p
}

// prepare makes the new assignment of a partition that begins at a place.
func (a *assignments) prepare(ctx context.Context, s group.Session, c group.Claim, h *history, at fetch.Start, stored commit.Stored) error {
	store := a.store(s, c.Partition)
	switch {
	case a.unpins(at, stored):
		left, err := a.unpin(ctx, s, c.Partition, stored)
		if err != nil {
			return err
		}
		stored = left
	case at.Pin && a.e.storesOffsets:
		if err := store.Write(ctx, at.Prefix); err != nil {
			return err
		}
		stored = commit.Stored{Offset: at.Prefix, Any: true}
	}
	h.fetch.Update(func(r *fetch.Remembered) {
		if at.By == nil && !a.e.storesOffsets {
			r.Next, r.HasNext, r.Timestamp = at.Position, true, 0
		}
		if stored.Any && a.e.storesOffsets {
			r.Committed, r.HasCommitted = stored.Offset, true
		}
	})
	p := a.newPartition(s, c, h, at, stored)
	a.mu.Lock()
	a.byID[c.Partition] = p
	a.mu.Unlock()
	if at.Failed != nil {
		p.Failed(p.id, at.Failed)
	}
	if c.Attempt < logged {
		p.log.Info("partition assigned", zap.Uint64("offset", at.Position), zap.Uint64("end", at.End))
	}
	return nil
}

// unpins tells whether the stored offset of a partition is deleted that begins
// at its start: no other offset stands for that. It may be a Seek, which is to
// outlive the connection, or an empty log. A server that was killed brings back
// a lost offset as 0, and the log without its messages (measured on Iggy
// 0.8.0): a process that starts when there is a new message at 0, before
// anything is stored again, would take that for handled. Where a group without
// an offset does not begin at the start, it would skip more than that.
func (a *assignments) unpins(at fetch.Start, stored commit.Stored) bool {
	return a.e.storesOffsets && stored.Any && (at.End == 0 || at.Unpin) && at.Failed == nil && a.e.cfg.StartFrom == config.StartFirst
}

// unpin deletes the stored offset and gives what is stored then.
func (a *assignments) unpin(ctx context.Context, s group.Session, id uint32, stored commit.Stored) (commit.Stored, error) {
	err := s.Do(ctx, func(ctx context.Context, c transport.Conn) error { return c.DeleteOffset(ctx, a.e.identity, id) })
	var status *iggyerr.StatusError
	switch {
	case err == nil || errors.As(err, &status) && status.Status == iggyerr.StatusOffsetNotStored:
		a.e.log.Info("stored offset deleted, reading from the start of the partition", zap.Uint32("partition", id), zap.Uint64("offset", stored.Offset))
		return commit.Stored{}, nil
	case status == nil:
		return stored, err
	default: // it stays, as it was
		a.e.log.Warn("reading from the start of the partition, stored offset not deleted", zap.Uint32("partition", id), zap.Error(err))
		return stored, nil
	}
}
