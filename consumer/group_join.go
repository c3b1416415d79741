package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// joinBackoff is the backoff between attempts to join the group.
var joinBackoff = config.Backoff{BaseBackoff: 50 * time.Millisecond, MaxBackoff: 5 * time.Second, Jitter: 0.2}

// joinWithRetry joins the group and retries until that succeeds. It returns false when the session
// or the consumer ended first.
func (m *membership) joinWithRetry(ctx context.Context) bool {
	e := m.e
	if !e.grouped {
		e.setJoined(true)
		e.setDrained(drainResult{})
		return true
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer e.onDrain(cancel)()
	policy := retry.New(joinBackoff, retry.OnRetry(func(err error, attempt int) {
		e.setLastError(fmt.Errorf("iggy: join group %s: %w", e.identity.Name, err))
		e.log.Warn("joining the group failed, retrying", zap.Int("attempt", attempt), zap.Error(err))
	}))
	err := policy.Do(ctx, func(ctx context.Context, _ int) error { return m.joinGroup(ctx, m.group()) })
	if err != nil || ctx.Err() != nil {
		return false
	}
	e.setJoined(true)
	e.setDrained(drainResult{})
	e.log.Info("group joined", zap.Uint64("generation", m.session.Generation()))
	return true
}

func (e *engine) setJoined(joined bool) {
	e.mu.Lock()
	e.joined = joined
	e.mu.Unlock()
}

func (m *membership) joinGroup(ctx context.Context, g transport.Group) error {
	return m.do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Join(ctx, g) })
}

func (m *membership) leaveGroup(ctx context.Context, g transport.Group) error {
	err := m.do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Leave(ctx, g) })
	if errors.Is(err, iggyerr.ErrNotMember) {
		return nil
	}
	return err
}

func (m *membership) groupMembers(ctx context.Context, g transport.Group) (members transport.Members, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		members, err = c.Members(ctx, g)
		return err
	})
	return members, err
}

// groupSize is how many members a group has.
func (m *membership) groupSize(ctx context.Context, g transport.Group) (int, error) {
	members, err := m.groupMembers(ctx, g)
	return len(members.Partitions), err
}
