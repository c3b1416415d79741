package consumer

import (
	"context"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
)

// Prepare implements group.Partitions: it reads where partitions begin and makes their assignments,
// which read nothing before Start.
func (a *assignments) Prepare(ctx context.Context, s group.Session, claims []group.Claim) (assigned []uint32, err error) {
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
			continue // without its end, the log would seem to be truncated
		}
		if err := a.newPreparation(s, c).run(ctx, end); err != nil {
			return assigned, err
		}
		assigned = append(assigned, c.Partition)
	}
	return assigned, nil
}

// maxResetLogs is how many resets in a row of a partition are logged here. The group logs those that
// follow, since they may repeat without end.
const maxResetLogs = 3

// preparation makes one assignment of a partition: it decides where the partition begins, and has
// the stored offset agree with that.
type preparation struct {
	*engine
	session group.Session
	claim   group.Claim
	history *history
	store   offsetStore
}

func (a *assignments) newPreparation(s group.Session, c group.Claim) *preparation {
	return &preparation{engine: a.e, session: s, claim: c, history: a.history(c.Partition), store: a.e.store(s, c.Partition)}
}

// run prepares a partition whose log ends at end.
func (p *preparation) run(ctx context.Context, end uint64) error {
	release, err := p.history.commits.Acquire(ctx) // a commit of the former assignment may be under way
	if err != nil {
		return err
	}
	defer release()
	stored, err := p.store.Read(ctx)
	if err != nil {
		return err
	}
	found := fetch.Found{
		Stored: stored.Offset, HasStored: stored.Any, End: end,
		Truncated: p.claim.Finding.Truncated, Reached: p.claim.Finding.Reached,
	}
	log, id := p.assignments.log, p.claim.Partition
	if found.Same, err = log.Unchanged(ctx, p.session, id, p.history.fetch, end); err != nil {
		return err
	}
	if !stored.Any {
		if found.Purged, err = log.Purged(ctx, p.session, id, p.history.fetch); err != nil {
			return err
		}
	}
	return p.assign(ctx, p.decide(found), stored)
}

// decide returns where the partition begins.
func (p *preparation) decide(found fetch.Found) (at fetch.Start) {
	policy := p.policy()
	p.history.fetch.Update(func(r *fetch.Remembered) {
		if policy.Chosen != nil && !r.HasNext {
			if chosen, ok := policy.Chosen(found.End); ok {
				at = chosen
				return
			}
		}
		at = policy.Decide(r, found)
	})
	if at.Reset != "" && p.claim.Attempt < maxResetLogs {
		p.log.Warn("offset reset: "+at.Reset, zap.Uint32("partition", p.claim.Partition), zap.Uint64("offset", at.Position),
			zap.String("on_reset", string(p.cfg.OnReset)))
	}
	return at
}

// policy returns how the partition starts.
func (p *preparation) policy() fetch.Policy {
	policy := fetch.Policy{From: p.cfg.StartFrom, OnReset: p.cfg.OnReset, Partition: p.object(p.claim.Partition)}
	if start := p.standalone.startOf(p.claim.Partition); start != (Position{}) {
		policy.Chosen = start.resolve
	}
	return policy
}

// assign makes the assignment, which begins at a place.
func (p *preparation) assign(ctx context.Context, at fetch.Start, stored commit.Stored) error {
	stored, err := p.adjustStored(ctx, at, stored)
	if err != nil {
		return err
	}
	p.history.fetch.Update(func(r *fetch.Remembered) {
		if !at.ByTime && !p.storesOffsets {
			r.Next, r.HasNext, r.Timestamp = at.Position, true, 0
		}
		if stored.Any && p.storesOffsets {
			r.SetCommitted(stored.Offset, 0)
		}
	})
	assigned := p.newPartition(p.session, p.claim, p.history, at, stored)
	p.assignments.add(assigned)
	if at.Failed != nil {
		assigned.Failed(assigned.id, at.Failed)
	}
	if p.claim.Attempt < maxResetLogs {
		assigned.log.Info("partition assigned", zap.Uint64("offset", at.Position), zap.Uint64("end", at.End))
	}
	return nil
}

// adjustStored has the stored offset agree with the place at which the partition begins, and returns
// what is stored then.
func (p *preparation) adjustStored(ctx context.Context, at fetch.Start, stored commit.Stored) (commit.Stored, error) {
	switch {
	case !p.storesOffsets:
		return stored, nil
	case p.deletesStored(at, stored):
		err := p.store.Delete(ctx)
		switch {
		case err == nil:
			p.log.Info("stored offset deleted, reading from the start of the partition",
				zap.Uint32("partition", p.claim.Partition), zap.Uint64("offset", stored.Offset))
			return commit.Stored{}, nil
		case protocol.IsRefused(err): // it stays as it is
			p.log.Warn("reading from the start of the partition, stored offset not deleted",
				zap.Uint32("partition", p.claim.Partition), zap.Error(err))
			return stored, nil
		}
		return stored, err
	case at.StorePrefix:
		if err := p.store.Write(ctx, at.Prefix); err != nil {
			return stored, err
		}
		return commit.Stored{Offset: at.Prefix, Any: true}, nil
	}
	return stored, nil
}

// deletesStored reports whether the stored offset of a partition is deleted that begins at the start
// of its log: no stored offset means that place. It may be a Seek, which has to outlive the
// connection, or an empty log. A server that was killed brings back a lost offset as 0, and the log
// without its messages (measured on Iggy 0.8.0): a process that starts when there is a new message
// at 0, before anything is stored again, would consider that message handled. Where a group without
// an offset does not begin at the start, it would skip more than that message.
func (p *preparation) deletesStored(at fetch.Start, stored commit.Stored) bool {
	return stored.Any && (at.End == 0 || at.DeleteStored) && at.Failed == nil && p.cfg.StartFrom == config.StartFirst
}
