package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// transientMember is a connection of its own that joins and leaves a group, which makes the server
// assign all partitions of the group again, evenly.
type transientMember struct{ link *link.Link }

// withTransientMember calls fn with a transient member that is connected already, so that nobody
// waits for its connection.
func (m *membership) withTransientMember(ctx context.Context, fn func(*transientMember) error) error {
	l, err := m.e.newLink("consumer." + m.e.name + ".transient")
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, m.e.cfg.RebalanceGrace)
	defer cancel()
	defer m.e.onDrain(cancel)()
	if err := l.Start(bounded); err != nil {
		return fmt.Errorf("iggy: connect a transient member: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = l.Stop(closing)
	}()
	return fn(&transientMember{l})
}

// joinAndLeave joins the group and leaves it. If the leave gets lost, the end of the connection has
// the same effect.
func (t *transientMember) joinAndLeave(ctx context.Context, g transport.Group) error {
	return errors.Join(
		t.link.Do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Join(ctx, g) }),
		t.link.Do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Leave(ctx, g) }),
	)
}
