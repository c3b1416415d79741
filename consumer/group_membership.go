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

// membership is the time under one session: from joining the group to leaving it, or to the end of
// the connection, when the server forgets the member. One goroutine decides which partitions are
// assigned.
type membership struct {
	e        *engine
	session  *link.Session
	revoking map[uint32]time.Time // partitions that are being handed over, with their deadlines
	fair     fairAssignment
	pollers  sync.WaitGroup

	lastMembers   transport.Members // the group when it was read last
	lastAssigned  int               // how many partitions were assigned when they were learned last
	skippedChecks int               // checks since then that found nothing changed
}

// runMemberships runs memberships, one session after another, until the consumer drains or ends.
func (e *engine) runMemberships() {
	seek, cancel := context.WithCancel(e.ctx)
	defer cancel()
	for e.ctx.Err() == nil {
		if e.isDraining() {
			return
		}
		stop := e.onDrain(cancel)
		s, err := e.link.Session(seek)
		stop()
		if err != nil {
			return
		}
		m := &membership{e: e, session: s, revoking: map[uint32]time.Time{}, fair: newFairAssignment()}
		m.run()
	}
}

// run is one membership.
func (m *membership) run() {
	ctx, cancel := context.WithCancelCause(m.e.ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-m.session.Done():
			cancel(m.session.Err())
		case <-ctx.Done():
		}
	}()
	defer func() {
		cancel(context.Canceled)
		<-watched
		m.pollers.Wait()
	}()
	defer m.end()
	if m.joinWithRetry(ctx) {
		m.startPollers(ctx)
		m.loop(ctx)
	}
}

// startPollers starts the session's pollers.
func (m *membership) startPollers(ctx context.Context) {
	f := newFetcher(m.e, m.session)
	m.e.mu.Lock()
	m.e.fetcher = f
	m.e.mu.Unlock()
	m.pollers.Add(pollersPerSession + 1)
	for range pollersPerSession {
		go func() {
			defer m.pollers.Done()
			f.runPoller(ctx)
		}()
	}
	go func() {
		defer m.pollers.Done()
		f.watchLogEnds(ctx)
	}()
}

// loop keeps the membership until its session ends or the consumer drains.
func (m *membership) loop(ctx context.Context) {
	e := m.e
	tick := time.NewTimer(0)
	defer tick.Stop()
	for ticks := 0; ; {
		due, ticked := false, false
		select {
		case <-ctx.Done():
			return
		case <-e.wakeup:
		case <-tick.C:
			due, ticked = ticks%coordinationChecksPerProbe == 0, true
		}
		if e.isDraining() {
			m.drainAndLeave(ctx)
			return
		}
		err := m.step(ctx, due)
		if err == nil && ticked {
			err = m.maintainFairAssignment(ctx, due)
		}
		if err != nil && ctx.Err() == nil {
			m.stepFailed(err)
		}
		if ticked {
			ticks++
			tick.Reset(coalesce(e.cfg.ProbeInterval / coordinationChecksPerProbe))
		}
	}
}

// coordinationChecksPerProbe is how often in a probe interval a member reads the coordination
// group: in a rebalance all members wait for the last one to notice.
const coordinationChecksPerProbe = 3

// step does what is due.
func (m *membership) step(ctx context.Context, due bool) error {
	e := m.e
	if err := e.takeEviction(); err != nil {
		e.log.Warn("no longer a member of the group, joining again", zap.Error(err))
		m.loseAll(fmt.Errorf("%w: %w", ErrLost, err))
		m.fair, m.lastMembers = newFairAssignment(), transport.Members{}
		if !m.joinWithRetry(ctx) {
			return nil
		}
		due = true
	}
	if err := m.applySeeks(ctx); err != nil {
		return err
	}
	assigned := e.assignedPartitions()
	for _, p := range assigned {
		p.mu.Lock()
		suspect := p.needsVerify && p.phase == phaseActive
		p.mu.Unlock()
		if !suspect {
			continue
		}
		if err := m.verifySuspect(ctx, p); err != nil {
			return err
		}
	}
	if due {
		if err := m.checkAssignment(ctx); err != nil {
			return err
		}
		if err := m.verifyPartitions(ctx, e.assignedPartitions()...); err != nil {
			return err
		}
	}
	if err := m.handOverDrained(ctx); err != nil {
		return err
	}
	return nil
}

// stepFailed handles the error of a step.
func (m *membership) stepFailed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	m.e.setLastError(err)
	if m.e.isMembershipGone(err) {
		m.e.evict(err)
		return
	}
	m.e.log.Debug("membership step failed, retrying", zap.Error(err))
}

// end ends what was assigned under the session.
func (m *membership) end() {
	e := m.e
	e.mu.Lock()
	e.fetcher = nil
	e.mu.Unlock()
	e.setJoined(false)
	_ = e.takeEviction()
	cause := m.session.Err()
	if cause == nil {
		cause = iggyerr.ErrClosed
	}
	m.loseAll(fmt.Errorf("%w: the session ended: %w", ErrLost, cause))
}

// loseAll ends all assignments with cause.
func (m *membership) loseAll(cause error) {
	assigned := m.e.assignedPartitions()
	if len(assigned) > 0 {
		result := m.e.countUnfinished()
		if result.unfinished+result.uncommitted > 0 {
			result.err = cause
		}
		m.e.setDrained(result)
	}
	for _, p := range assigned {
		m.e.losePartition(p, cause)
	}
	clear(m.revoking)
}

func (m *membership) do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	return m.session.Do(ctx, fn)
}

func (m *membership) group() transport.Group {
	return transport.Group{Stream: m.e.identity.Stream, Topic: m.e.identity.Topic, Name: m.e.identity.Name}
}

// evict has the membership lose its partitions and join again.
func (e *engine) evict(err error) {
	e.mu.Lock()
	if e.evictedErr == nil {
		e.evictedErr = err
	}
	e.mu.Unlock()
	e.wakeMembership()
}

// takeEviction returns why the membership is gone, once.
func (e *engine) takeEviction() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.evictedErr
	e.evictedErr = nil
	return err
}
