package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// committer stores acknowledged prefixes: of all partitions once an interval,
// and of one as soon as enough is acknowledged or someone waits for it. Without an
// interval, what was refused is tried again once a probe interval.
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
	interval := e.cfg.CommitInterval
	if interval <= 0 {
		interval = e.cfg.ProbeInterval // only for what was refused
	}
	timer := time.NewTimer(onBeat(interval))
	defer timer.Stop()
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
		case <-timer.C:
			timer.Reset(onBeat(interval))
			owned, _ := e.turn()
			for _, p := range owned {
				_ = e.commit(ctx, p)
			}
		}
	}
}

// commit stores p's acknowledged prefix, if it grew since the last time and
// nobody else has moved the stored offset. An
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
	p.mu.Unlock()
	if nothing {
		return nil
	}
	err := e.unmoved(ctx, p)
	if err == nil {
		p.mu.Lock()
		p.attempted = offset
		p.mu.Unlock()
		err = e.store(ctx, p, offset)
	}
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

// movedError says that the stored offset of a partition is not the one that
// was stored from here: an operator moved it, or deleted it.
type movedError struct{ now transport.Offset }

func (e *movedError) Error() string {
	if !e.now.Stored {
		return "the stored offset was deleted by someone else"
	}
	return fmt.Sprintf("the stored offset was moved to %d by someone else", e.now.Offset)
}

// unmoved looks whether the stored offset is still ours before it is replaced:
// the server has no store that compares, and a busy consumer would wipe out an operator's
// reset long before its audit sees it. Where it can't be read, the commit will tell.
func (e *engine) unmoved(ctx context.Context, p *partition) error {
	now, err := e.offset(ctx, p.session, p.id)
	var status *iggyerr.StatusError
	if errors.As(err, &status) {
		return nil
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.movedTo(now) {
		return &movedError{now}
	}
	return nil
}

// movedTo tells whether someone else stored or deleted the offset. p.mu is held.
func (p *partition) movedTo(now transport.Offset) bool {
	if now.Stored && now.Offset == p.attempted {
		return false
	}
	return now.Stored != p.hasStored || now.Offset != p.stored
}

// stepTo notes a stored offset. p.mu is held.
func (p *partition) stepTo(head, offset uint64) {
	p.tally.commits++
	if p.phase == phaseLost {
		return // what is remembered of the partition belongs to its next ownership
	}
	p.settledHead = head
	p.stored, p.hasStored, p.verified = offset, true, time.Now()
	p.memory.committed, p.memory.hasCommitted, p.memory.stray = offset, true, false
	if p.syncs > 0 {
		close(p.stepped)
		p.stepped = make(chan struct{})
		if p.tracker.head > head {
			p.wantCommit()
		}
	}
	p.announce()
}

// offset reads what is stored for a partition.
func (e *engine) offset(ctx context.Context, s *link.Session, id uint32) (stored transport.Offset, err error) {
	if !e.commits {
		return transport.Offset{}, nil
	}
	err = s.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		stored, err = c.Offset(ctx, e.who, id)
		return err
	})
	return stored, err
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
	var moved *movedError
	if errors.As(err, &moved) {
		e.distrust(p) // the audit decides what becomes of it
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

// committedPast waits until the offset of message number seq is stored.
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
