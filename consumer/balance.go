package consumer

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// BalanceSuffix is the end of the name of a notice group: the group beside a
// consumer group through which its members agree to have their partitions
// dealt evenly (see config.Consumer.NoticeGroup). Without it on the topic, shares stay
// as the server leaves them.
const BalanceSuffix = ".balance"

// balance evens what the server leaves uneven: a member that joins a group is
// given one partition and no more (measured on Iggy 0.8.0). A leave deals all partitions
// evenly, but takes them from members in the middle of their work. So one
// member gives notice by joining the notice group; the others see it, finish
// what they have in hand, commit, and join it, too. When all have, a passing
// member joins and leaves the main group, and everyone goes on.
//
// Who acts for all is not agreed upon but read from the server: it is the
// owner of partition 0 in the notice group. Whoever owns it and only waits for
// someone to act knows that there is nobody, and goes on.
type balance struct {
	since   time.Time // shares have been uneven since
	pause   time.Duration
	missing time.Time // the notice group did not exist then
	// stale notices belong to a member that hangs: nobody waits for that many again
	// until ignored has passed.
	stale   int
	ignored time.Time
}

func newBalance() balance { return balance{} }

const (
	balancePoll = 10 * time.Millisecond // between looks at the notices
	balanceLook = 5                     // looks at the notices between looks who acts

	// In multiples of balance_after: between looks for a notice group that does
	// not exist, and for how long notices of a hanging member are ignored.
	balanceMissing = 10
	balanceStale   = 20
)

func (m *membership) notice() transport.Group {
	g := m.group()
	g.Name = m.e.cfg.NoticeGroup()
	return g
}

// even joins in when someone gave notice, and gives notice when shares have been uneven for too long.
func (m *membership) even(ctx context.Context, due bool) error {
	e, b := m.e, &m.balance
	if !e.grouped || !e.cfg.Balance || time.Since(b.missing) < balanceMissing*e.cfg.BalanceAfter && !b.missing.IsZero() {
		return nil
	}
	notices, err := m.size(ctx, m.notice())
	if errors.Is(err, iggyerr.ErrNotFound) {
		if b.missing.IsZero() {
			e.log.Warn("shares are not evened: the notice group does not exist", zap.String("notice_group", m.notice().Name))
		}
		b.missing = time.Now()
		return nil
	}
	if err != nil {
		return err
	}
	b.missing = time.Time{}
	if notices > 0 && (notices > b.stale || time.Now().After(b.ignored)) {
		return m.yield(ctx, notices, false)
	}
	if !due {
		return nil
	}
	largest, uneven := sharesOf(m.seen)
	switch {
	case !uneven:
		b.since = time.Time{}
		return nil
	case b.since.IsZero():
		b.since = time.Now()
		// Not all at once, though it would do no harm.
		b.pause = e.cfg.BalanceAfter + rand.N(e.cfg.BalanceAfter/4+time.Millisecond)
	}
	if time.Since(b.since) < b.pause || len(e.present()) != largest || len(m.revoking) > 0 {
		return nil
	}
	b.since = time.Time{}
	return m.redeal(ctx)
}

// shares reads the group and tells whether the largest share is by two or more larger than the smallest.
func (m *membership) shares(ctx context.Context) (largest int, uneven bool, err error) {
	members, err := m.members(ctx, m.group())
	if err != nil {
		return 0, false, err
	}
	largest, uneven = sharesOf(members)
	return largest, uneven, nil
}

func sharesOf(members transport.Members) (largest int, uneven bool) {
	if len(members.Partitions) == 0 {
		return 0, false
	}
	smallest := len(members.Partitions[0])
	for _, owned := range members.Partitions {
		largest, smallest = max(largest, len(owned)), min(smallest, len(owned))
	}
	return largest, largest-smallest >= 2
}

func (m *membership) members(ctx context.Context, g transport.Group) (members transport.Members, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		members, err = c.Members(ctx, g)
		return err
	})
	return members, err
}

// size is how many members a group has.
func (m *membership) size(ctx context.Context, g transport.Group) (int, error) {
	members, err := m.members(ctx, g)
	return len(members.Partitions), err
}

func (m *membership) join(ctx context.Context, g transport.Group) error {
	return m.do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Join(ctx, g) })
}

func (m *membership) leaveGroup(ctx context.Context, g transport.Group) error {
	err := m.do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Leave(ctx, g) })
	if errors.Is(err, iggyerr.ErrNotMember) {
		return nil
	}
	return err
}

// leads tells whether this member, which has joined the notice group, acts for all.
func (m *membership) leads(ctx context.Context) (bool, error) {
	who := m.e.who
	who.Name = m.e.cfg.NoticeGroup()
	return m.ownsIn(ctx, who, 0)
}

// redeal gives notice, waits for the others and has the partitions dealt again.
func (m *membership) redeal(ctx context.Context) error {
	e := m.e
	if err := m.join(ctx, m.notice()); err != nil {
		return err
	}
	leads, err := m.leads(ctx)
	if err != nil || !leads {
		if err == nil {
			// Someone else was first: what it does for itself it does for all.
			return m.yield(ctx, 1, true)
		}
		return errors.Join(err, m.leaveGroup(ctx, m.notice()))
	}
	e.log.Info("shares are uneven, having the partitions dealt again")
	started := time.Now()
	err = m.withPasser(ctx, func(passer *passer) error {
		grace, cancel := context.WithTimeout(ctx, e.cfg.BalanceGrace)
		defer cancel()
		defer e.whenRetiring(cancel)()
		m.assembled(grace, 1)
		m.settle(grace)
		m.assembled(grace, 0)
		if _, uneven, err := m.shares(ctx); err != nil || !uneven || e.retreatAsked() {
			return err
		}
		return passer.pass(ctx, m.group())
	})
	err = errors.Join(err, m.goOn(ctx, true))
	e.log.Info("partitions dealt again", zap.Duration("elapsed", time.Since(started)), zap.Int("count", len(e.present())), zap.Error(err))
	return err
}

// assembled waits until all but some of the group's members have given notice, or ctx ends.
func (m *membership) assembled(ctx context.Context, but int) {
	for {
		if ready, err := m.ready(ctx, but); err != nil || ready {
			return
		}
		if !m.sleep(ctx, balancePoll) {
			return
		}
	}
}

// ready tells whether all but some of the group's members have given notice.
func (m *membership) ready(ctx context.Context, but int) (bool, error) {
	members, err := m.size(ctx, m.group())
	if err != nil {
		return false, err
	}
	notices, err := m.size(ctx, m.notice())
	return err == nil && notices >= members-but, err
}

// sleep waits; false when ctx ended first.
func (m *membership) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// yield finishes what is in hand, shows it by joining the notice group and
// waits until the one who acts for all is done: the notices fall below the most
// that were seen, only this member's is left, or nobody is ahead of it.
func (m *membership) yield(ctx context.Context, most int, joined bool) error {
	e := m.e
	for _, p := range e.present() {
		p.mu.Lock()
		p.drain()
		p.mu.Unlock()
	}
	limit := time.Now().Add(2*e.cfg.BalanceGrace + time.Second)
	var err error
	settled := false
	for look := 1; ; look++ {
		if !settled && m.finished() {
			settled = m.commitAll(ctx)
		}
		if settled && !joined {
			if err = m.join(ctx, m.notice()); err != nil {
				break
			}
			joined = true
		}
		var notices int
		if notices, err = m.size(ctx, m.notice()); err != nil {
			break
		}
		own := 0
		if joined {
			own = 1
		}
		if notices < most || notices <= own {
			break
		}
		most = notices
		if joined && look%balanceLook == 0 {
			if leads, leadErr := m.leads(ctx); leadErr != nil || leads {
				err = leadErr
				break
			}
		}
		if time.Now().After(limit) {
			m.balance.stale, m.balance.ignored = notices-own, time.Now().Add(balanceStale*e.cfg.BalanceAfter)
			e.log.Warn("a member gave notice and does nothing, going on", zap.Int("count", notices-own))
			break
		}
		if e.retreatAsked() || !m.sleep(ctx, balancePoll) {
			break
		}
	}
	return errors.Join(err, m.goOn(ctx, joined))
}

// goOn takes back the notice, learns what is owned now and lets it run.
func (m *membership) goOn(ctx context.Context, joined bool) (err error) {
	if joined {
		err = m.leaveGroup(ctx, m.notice())
	}
	err = errors.Join(err, m.learn(ctx))
	for _, p := range m.e.present() {
		if _, ok := m.revoking[p.id]; ok {
			continue
		}
		p.mu.Lock()
		p.resume()
		p.mu.Unlock()
	}
	return err
}
