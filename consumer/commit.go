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
func (p *partition) requestCommit() {
	if p.commitRequested || p.phase == phaseLost {
		return
	}
	p.commitRequested = true
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
	timer := time.NewTimer(coalesce(interval))
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
				p.commitRequested = false
				p.mu.Unlock()
				_ = e.commit(ctx, p) // its failure was noted
			}
		case <-timer.C:
			timer.Reset(coalesce(interval))
			owned, _ := e.roundRobin()
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
	if !e.storesOffsets || e.ackOnPoll {
		return nil
	}
	select {
	case p.commitLock <- struct{}{}:
		defer func() { <-p.commitLock }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	offset, settled := p.tracker.prefix()
	ackedEnd := p.tracker.ackedEnd
	nothing := p.phase == phaseLost || !settled || ackedEnd == p.committedEnd
	p.mu.Unlock()
	if nothing {
		return nil
	}
	err := e.checkStoredOffset(ctx, p)
	if err == nil {
		p.mu.Lock()
		p.attemptedOffset = offset
		p.mu.Unlock()
		err = e.storeOffset(ctx, p, offset)
	}
	p.mu.Lock()
	if err == nil {
		p.setCommitted(ackedEnd, offset)
	}
	p.mu.Unlock()
	if err != nil {
		e.commitRefused(p, offset, err)
	}
	return err
}

// movedError says that the stored offset of a partition is not the one that
// was stored from here: an operator moved it, or deleted it.
type offsetMovedError struct{ current transport.Offset }

func (e *offsetMovedError) Error() string {
	if !e.current.Stored {
		return "the stored offset was deleted by someone else"
	}
	return fmt.Sprintf("the stored offset was moved to %d by someone else", e.current.Offset)
}

// unmoved looks whether the stored offset is still ours before it is replaced:
// the server has no store that compares, and a busy consumer would wipe out an operator's
// reset long before its audit sees it. Where it can't be read, the commit will tell.
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

// movedTo tells whether someone else stored or deleted the offset. p.mu is held.
func (p *partition) storedOffsetMoved(now transport.Offset) bool {
	if now.Stored && now.Offset == p.attemptedOffset {
		return false
	}
	return now.Stored != p.hasStored || now.Offset != p.storedOffset
}

// stepTo notes a stored offset. p.mu is held.
func (p *partition) setCommitted(ackedEnd, offset uint64) {
	p.counters.commits++
	if p.phase == phaseLost {
		return // what is remembered of the partition belongs to its next ownership
	}
	p.committedEnd = ackedEnd
	p.storedOffset, p.hasStored, p.verifiedAt = offset, true, time.Now()
	p.history.committed, p.history.hasCommitted, p.history.logTruncated = offset, true, false
	if p.commitWaiters > 0 {
		close(p.commitDone)
		p.commitDone = make(chan struct{})
		if p.tracker.ackedEnd > ackedEnd {
			p.requestCommit()
		}
	}
	p.scheduleIfReady()
}

// offset reads what is stored for a partition.
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

// store stores an offset, whatever it was.
func (e *engine) storeOffset(ctx context.Context, p *partition, offset uint64) error {
	if !e.storesOffsets {
		return nil
	}
	return p.session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.StoreOffset(ctx, e.identity, p.id, offset)
	})
}

// commitRefused looks after a commit that failed.
func (e *engine) commitRefused(p *partition, offset uint64, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	var moved *offsetMovedError
	if errors.As(err, &moved) {
		e.requestVerify(p) // the audit decides what becomes of it
		return
	}
	e.setLastError(fmt.Errorf("iggy: commit %s/%d: %w", e.identity.Topic, p.id, err))
	var status *iggyerr.StatusError
	switch {
	case p.isLost():
		// An answer to a former membership says nothing about the present one.
	case e.isMembershipGone(err):
		e.evict(err)
	case e.grouped && isNotOwner(err):
		p.log.Warn("partition was taken before its offset was committed", zap.Uint64("offset", offset), zap.Error(err))
		e.losePartition(p, fmt.Errorf("%w: %w", ErrLost, err))
	case errors.As(err, &status) && status.Status == iggyerr.StatusInvalidOffset:
		// The log ends before the offset: it lost its tail.
		e.requestVerify(p)
	default:
		p.log.Warn("offset not committed, trying again", zap.Uint64("offset", offset), zap.Error(err))
	}
}

// notOurs tells whether a refused group commit means that the partition went
// to another member. Over transports that can't tell more, that is
// the bare status 1, too.
func isNotOwner(err error) bool {
	var status *iggyerr.StatusError
	return errors.Is(err, iggyerr.ErrNotOwner) ||
		errors.As(err, &status) && status.Status == iggyerr.StatusGeneric
}

// gone tells whether err means that the membership, or what it is in, is gone.
func (e *engine) isMembershipGone(err error) bool {
	return e.grouped && (errors.Is(err, iggyerr.ErrNotMember) || errors.Is(err, iggyerr.ErrNotFound))
}

// committedPast waits until the offset of message number seq is stored.
func (p *partition) waitCommitted(ctx context.Context, seq uint64) error {
	p.mu.Lock()
	p.commitWaiters++
	defer func() {
		p.mu.Lock()
		p.commitWaiters--
		p.mu.Unlock()
	}()
	for {
		if p.committedEnd > seq || !p.e.storesOffsets || p.e.ackOnPoll {
			p.mu.Unlock()
			return nil
		}
		if p.phase == phaseLost {
			p.mu.Unlock()
			return context.Cause(p.ctx)
		}
		if p.tracker.ackedEnd > p.committedEnd {
			p.requestCommit()
		}
		stepped := p.commitDone
		p.mu.Unlock()
		select {
		case <-stepped:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		p.mu.Lock()
	}
}
