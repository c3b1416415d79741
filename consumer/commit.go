package consumer

import (
	"context"
	"sync"
	"time"
)

// committer commits acknowledged prefixes: of all partitions once an interval, and of one partition
// as soon as enough messages are acknowledged or someone waits for the commit. Without an interval,
// it retries failed commits once a probe interval.
type committer struct {
	mu   sync.Mutex
	due  []*partition // each at most once: see partition.commitRequested
	wake chan struct{}
}

func newCommitter() *committer { return &committer{wake: make(chan struct{}, 1)} }

// requestCommit asks for a commit at once. p.mu is held.
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
		interval = e.cfg.ProbeInterval // only for failed commits
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
				_ = e.commit(ctx, p) // a failure is reported already
			}
		case <-timer.C:
			timer.Reset(coalesce(interval))
			assigned := e.assignedPartitions()
			for _, p := range assigned {
				_ = e.commit(ctx, p)
			}
		}
	}
}

// commit stores p's acknowledged prefix if it grew since the last commit and nobody else has moved
// the stored offset. An error is reported already; p is lost when the error says that it is not
// assigned any more.
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

// setCommitted sets the committed offset. p.mu is held.
func (p *partition) setCommitted(ackedEnd, offset uint64) {
	p.counters.commits++
	if p.phase == phaseLost {
		return // the history belongs to the next assignment
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

// prefixAdvanced follows the growth of the acknowledged prefix. p.mu is held.
func (p *partition) prefixAdvanced() {
	if p.e.storesOffsets {
		pending := p.tracker.ackedEnd - p.committedEnd
		if pending >= uint64(p.e.commitEvery) || p.commitWaiters > 0 {
			p.requestCommit()
		}
	}
	p.checkDrained()
}

// waitCommitted waits until the offset of message number seq is committed.
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
