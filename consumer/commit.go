package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// committer stores acknowledged prefixes: of all partitions once an interval,
// and of one as soon as enough is acknowledged or someone waits for it.
type committer struct {
	mu   sync.Mutex
	due  []*partition // each at most once: partition.commitWanted
	wake chan struct{}
}

func newCommitter() *committer { return &committer{wake: make(chan struct{}, 1)} }

// wantCommit asks for a commit at once. p.mu is held.
func (p *partition) wantCommit() {
	if p.commitWanted || p.phase == phaseLost {
		return
	}
	p.commitWanted = true
	c := p.e.committer
	c.mu.Lock()
	c.due = append(c.due, p)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run commits until ctx ends.
func (c *committer) run(ctx context.Context, e *engine) {
	var tick <-chan time.Time
	if e.cfg.CommitInterval > 0 {
		ticker := time.NewTicker(e.cfg.CommitInterval)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
			c.mu.Lock()
			due := c.due
			c.due = nil
			c.mu.Unlock()
			for _, p := range due {
				p.mu.Lock()
				p.commitWanted = false
				p.mu.Unlock()
				_ = e.commit(ctx, p) // its failure was noted
			}
		case <-tick:
			owned, _ := e.turn()
			for _, p := range owned {
				_ = e.commit(ctx, p)
			}
		}
	}
}

// commit stores p's acknowledged prefix, if it grew since the last time. An
// error was noted already; when it says that p is not ours any more, p is lost.
func (e *engine) commit(ctx context.Context, p *partition) error {
	if !e.commits || e.onPoll {
		return nil
	}
	select {
	case p.commitTurn <- struct{}{}:
		defer func() { <-p.commitTurn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	offset, settled := p.tracker.prefix()
	head := p.tracker.head
	nothing := p.phase == phaseLost || !settled || head == p.settledHead
	known := time.Since(p.verified) < e.cfg.ProbeInterval || !p.hasStored
	stored := p.stored
	p.mu.Unlock()
	if nothing {
		return nil
	}
	if !known && !e.stillStored(ctx, p, stored) {
		e.distrust(p) // an operator's reset would be overwritten
		return nil
	}
	err := e.store(ctx, p, offset)
	p.mu.Lock()
	if err == nil {
		p.stepTo(head, offset)
	}
	p.mu.Unlock()
	if err != nil {
		e.commitRefused(p, offset, err)
	}
	return err
}

// stillStored tells whether what was stored last is stored still. When that
// can't be read the commit will tell.
func (e *engine) stillStored(ctx context.Context, p *partition, want uint64) bool {
	var now transport.Offset
	err := p.session.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		now, err = c.Offset(ctx, e.who, p.id)
		return err
	})
	return err != nil || now.Stored && now.Offset == want
}

// stepTo notes a stored offset. p.mu is held.
func (p *partition) stepTo(head, offset uint64) {
	p.tally.commits++
	if p.phase == phaseLost {
		return // what is remembered of the partition belongs to its next ownership
	}
	p.settledHead = head
	p.stored, p.hasStored, p.verified = offset, true, time.Now()
	p.memory.committed, p.memory.hasCommitted = offset, true
	if p.syncs > 0 {
		close(p.stepped)
		p.stepped = make(chan struct{})
		if p.tracker.head > head {
			p.wantCommit()
		}
	}
	p.announce()
}

// store stores an offset, whatever it was.
func (e *engine) store(ctx context.Context, p *partition, offset uint64) error {
	if !e.commits {
		return nil
	}
	return p.session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.StoreOffset(ctx, e.who, p.id, offset)
	})
}

// commitRefused looks after a commit that failed.
func (e *engine) commitRefused(p *partition, offset uint64, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	e.note(fmt.Errorf("iggy: commit %s/%d: %w", e.who.Topic, p.id, err))
	var status *iggyerr.StatusError
	switch {
	case p.isLost():
		// An answer to a former membership says nothing about the present one.
	case e.gone(err):
		e.loseMembership(err)
	case e.grouped && notOurs(err):
		p.log.Warn("partition was taken before its offset was committed", zap.Uint64("offset", offset), zap.Error(err))
		e.lost(p, fmt.Errorf("%w: %w", ErrLost, err))
	case errors.As(err, &status) && status.Status == iggyerr.StatusInvalidOffset:
		// The log ends before the offset: it lost its tail.
		e.distrust(p)
	default:
		p.log.Warn("offset not committed, trying again", zap.Uint64("offset", offset), zap.Error(err))
	}
}

// notOurs tells whether a refused group commit means that the partition went
// to another member. Over transports that can't tell more, that is
// the bare status 1, too.
func notOurs(err error) bool {
	var status *iggyerr.StatusError
	return errors.Is(err, iggyerr.ErrNotOwner) ||
		errors.As(err, &status) && status.Status == iggyerr.StatusGeneric
}

// gone tells whether err means that the membership, or what it is in, is gone.
func (e *engine) gone(err error) bool {
	return e.grouped && (errors.Is(err, iggyerr.ErrNotMember) || errors.Is(err, iggyerr.ErrNotFound))
}

// committedPast waits until the offset of record number seq is stored.
func (p *partition) committedPast(ctx context.Context, seq uint64) error {
	p.mu.Lock()
	p.syncs++
	defer func() {
		p.mu.Lock()
		p.syncs--
		p.mu.Unlock()
	}()
	for {
		if p.settledHead > seq || !p.e.commits || p.e.onPoll {
			p.mu.Unlock()
			return nil
		}
		if p.phase == phaseLost {
			p.mu.Unlock()
			return context.Cause(p.ctx)
		}
		if p.tracker.head > p.settledHead {
			p.wantCommit()
		}
		stepped := p.stepped
		p.mu.Unlock()
		select {
		case <-stepped:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		p.mu.Lock()
	}
}
