package consumer

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
)

// Verify implements group.Partitions: it compares the stored offsets and the ends of the logs with
// what they should be.
func (a *assignments) Verify(ctx context.Context, s group.Session, ids []uint32) ([]group.Finding, error) {
	type check struct {
		p       *partition
		reached uint64
		due     bool // its stored offset is to be read
	}
	var checks []check
	var read []uint32
	for _, id := range ids {
		p := a.find(id)
		if p == nil {
			continue
		}
		now := p.cursor.Status()
		if now.State == fetch.Stopped || now.State == fetch.Closed {
			continue
		}
		at := check{p: p, reached: now.Position, due: now.Unverified || time.Since(p.commits.State().Verified) >= a.verifyAfter(len(ids))}
		if now.ByTime {
			at.reached = 0
		}
		if at.due || !now.AtEnd {
			checks, read = append(checks, at), append(read, id)
		}
	}
	if len(checks) == 0 {
		return nil, nil
	}
	// The ends are read after the positions: unless it was truncated, a log only grows.
	ends, err := a.log.Ends(ctx, s, read)
	if err != nil {
		return nil, err
	}
	var findings []group.Finding
	for _, at := range checks {
		end := ends[at.p.id]
		if !at.due && end >= at.reached {
			at.p.cursor.SetEnd(end)
			continue
		}
		finding, err := at.p.verify(ctx, s, at.reached, end)
		if err != nil {
			return findings, err
		}
		if finding.Cause != nil {
			findings = append(findings, finding)
		}
	}
	return findings, nil
}

// verifyAfter returns how often the stored offset of one of n partitions is read while nothing is
// committed: one of them in each probe interval.
func (a *assignments) verifyAfter(n int) time.Duration {
	return time.Duration(n) * a.e.cfg.ProbeInterval
}

// verify compares the stored offset and the end of the log with what they should be; reached is the
// offset that was reached before the end was read.
func (p *partition) verify(ctx context.Context, s group.Session, reached, end uint64) (group.Finding, error) {
	release, err := p.history.commits.Acquire(ctx) // no commit of this consumer in between
	if err != nil {
		return group.Finding{}, err
	}
	defer release()
	now, err := p.e.store(s, p.id).Read(ctx)
	if err != nil {
		return group.Finding{}, err
	}
	finding := group.Finding{Partition: p.id, Reached: reached, Truncated: end < reached}
	moved := p.e.storesOffsets && !p.e.atMostOnce && p.commits.WasReset(now)
	switch before := p.commits.State().Stored; {
	case moved && now.Any && now.Offset > before.Offset:
		p.log.Warn("stored offset was advanced by another client, continuing there", zap.Uint64("offset", now.Offset))
		fallthrough
	case moved:
		finding.Cause = &commit.ResetError{Now: now}
	case finding.Truncated:
		finding.Cause = fmt.Errorf("offset %d was reached and the log ends before %d", reached, end)
	default:
		p.commits.Verified()
		p.cursor.Verified(end)
	}
	return finding, nil
}
