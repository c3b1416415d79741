package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// membership is the time under one session: from joining the group to leaving
// it, or to the end of the connection, with which the server forgets the
// member. One goroutine decides everything about which partitions are owned.
type membership struct {
	e        *engine
	session  *link.Session
	revoking map[uint32]time.Time // partitions about to be taken, and when their time is over
	balance  balance
	pollers  sync.WaitGroup

	seen    transport.Members // the group as it was surveyed last
	learned int               // how many partitions were owned when they were learned last
	skipped int               // surveys since then
}

// live runs memberships, one session after another, until the consumer
// retires or ends.
func (e *engine) live() {
	seek, cancel := context.WithCancel(e.ctx)
	defer cancel()
	for e.ctx.Err() == nil {
		if e.retreatAsked() {
			return
		}
		stop := e.whenRetiring(cancel)
		s, err := e.link.Session(seek)
		stop()
		if err != nil {
			return
		}
		m := &membership{e: e, session: s, revoking: map[uint32]time.Time{}, balance: newBalance()}
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
	defer m.over()
	if m.enter(ctx) {
		m.fetch(ctx)
		m.loop(ctx)
	}
}

// fetch starts the session's pollers.
func (m *membership) fetch(ctx context.Context) {
	f := newFetcher(m.e, m.session)
	m.e.mu.Lock()
	m.e.fetcher = f
	m.e.mu.Unlock()
	m.pollers.Add(fetchers + 1)
	for range fetchers {
		go func() {
			defer m.pollers.Done()
			f.poll(ctx)
		}()
	}
	go func() {
		defer m.pollers.Done()
		f.watch(ctx)
	}()
}

// enter joins the group, trying until it works; false when the session or the
// consumer ended first.
func (m *membership) enter(ctx context.Context) bool {
	e := m.e
	if !e.grouped {
		e.setJoined(true)
		e.retreated(retreat{})
		return true
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer e.whenRetiring(cancel)()
	backoff := config.Backoff{BaseBackoff: 50 * time.Millisecond, MaxBackoff: 5 * time.Second, Jitter: 0.2}
	err := untilItHolds(backoff, backoff.MaxBackoff, func(err error, attempt int) {
		e.note(fmt.Errorf("iggy: join group %s: %w", e.who.Name, err))
		e.log.Warn("cannot join the group, trying again", zap.Int("attempt", attempt), zap.Error(err))
	}).WithContext(ctx).RunWithExecution(func(exec failsafe.Execution[any]) error {
		return m.do(exec.Context(), func(ctx context.Context, c transport.Conn) error { return c.Join(ctx, m.group()) })
	})
	if err != nil || ctx.Err() != nil {
		return false
	}
	e.setJoined(true)
	e.retreated(retreat{})
	e.log.Info("joined the group", zap.Uint64("generation", m.session.Generation()))
	return true
}

// loop keeps the membership until its session ends or the consumer retires.
func (m *membership) loop(ctx context.Context) {
	e := m.e
	tick := time.NewTimer(0)
	defer tick.Stop()
	for ticks := 0; ; {
		due, tocks := false, false
		select {
		case <-ctx.Done():
			return
		case <-e.kicked:
		case <-tick.C:
			due, tocks = ticks%ticksPerProbe == 0, true
		}
		if e.retreatAsked() {
			m.retire(ctx)
			return
		}
		err := m.step(ctx, due)
		if err == nil && tocks {
			err = m.even(ctx, due)
		}
		if err != nil && ctx.Err() == nil {
			m.failed(err)
		}
		if tocks {
			ticks++
			tick.Reset(onBeat(e.cfg.ProbeInterval / ticksPerProbe))
		}
	}
}

// ticksPerProbe is how often per probe interval a look is taken whether others
// want the partitions dealt again: all wait for the last one to notice.
const ticksPerProbe = 3

// failed looks after an error of a step.
func (m *membership) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	m.e.note(err)
	if m.e.gone(err) {
		m.e.loseMembership(err)
		return
	}
	m.e.log.Debug("the membership could not be looked after", zap.Error(err))
}

// step does what is due.
func (m *membership) step(ctx context.Context, due bool) error {
	e := m.e
	if err := e.takeEvicted(); err != nil {
		e.log.Warn("no member of the group any more, joining again", zap.Error(err))
		m.loseAll(fmt.Errorf("%w: %w", ErrLost, err))
		m.balance, m.seen = newBalance(), transport.Members{}
		if !m.enter(ctx) {
			return nil
		}
		due = true
	}
	if err := m.obey(ctx); err != nil {
		return err
	}
	owned, _ := e.turn()
	for _, p := range owned {
		p.mu.Lock()
		suspect := p.suspect && p.phase == phaseActive
		p.mu.Unlock()
		if !suspect {
			continue
		}
		if err := m.inspect(ctx, p); err != nil {
			return err
		}
	}
	if due {
		if err := m.survey(ctx); err != nil {
			return err
		}
		if err := m.audit(ctx, e.present()...); err != nil {
			return err
		}
	}
	if err := m.handOvers(ctx); err != nil {
		return err
	}
	return nil
}

// over ends what was owned under the session.
func (m *membership) over() {
	e := m.e
	e.mu.Lock()
	e.fetcher = nil
	e.mu.Unlock()
	e.setJoined(false)
	_ = e.takeEvicted()
	cause := m.session.Err()
	if cause == nil {
		cause = iggyerr.ErrClosed
	}
	m.loseAll(fmt.Errorf("%w: the session ended: %w", ErrLost, cause))
}

func (m *membership) loseAll(cause error) {
	owned, _ := m.e.turn()
	if len(owned) > 0 {
		left := m.e.left()
		if left.unfinished+left.uncommitted > 0 {
			left.err = cause
		}
		m.e.retreated(left)
	}
	for _, p := range owned {
		m.e.lost(p, cause)
	}
	clear(m.revoking)
}

func (m *membership) do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	return m.session.Do(ctx, fn)
}

func (m *membership) group() transport.Group {
	return transport.Group{Stream: m.e.who.Stream, Topic: m.e.who.Topic, Name: m.e.who.Name}
}

func (e *engine) setJoined(joined bool) {
	e.mu.Lock()
	e.joined = joined
	e.mu.Unlock()
}

func (e *engine) takeEvicted() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.evicted
	e.evicted = nil
	return err
}
