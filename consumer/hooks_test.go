package consumer_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestHooksReportAssignmentAndRevocation(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	got := newSeen()
	note := func(what string) func(context.Context, []uint32) {
		return func(_ context.Context, ids []uint32) { got.add(fmt.Sprint(what, ids)) }
	}
	c := e.worker(fastConfig(), newHandlerLog(), 0,
		consumer.OnAssigned(note("assigned")), consumer.OnRevoked(note("revoked")), consumer.OnLost(note("lost")))
	require.Equal(t, []string{"assigned[0 1]"}, got.wait(t, 1))
	e.server.CutConnections()
	// Losses are reported in one call or two.
	got.waitFor(t, "the partitions to be assigned again", func(all []string) bool { return len(all) > 1 && all[len(all)-1] == "assigned[0 1]" })
	all := got.all()
	require.Contains(t, all[1], "lost")
	stop(t, c)
	require.Contains(t, fmt.Sprint(got.wait(t, len(all)+1)[len(all):]), "revoked")
}

func TestHookMayStopTheConsumer(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	var c *consumer.Consumer[string]
	stopped := make(chan error, 1)
	c = e.consumer(fastConfig(), consumer.OnAssigned(func(ctx context.Context, _ []uint32) {
		stopped <- c.Stop(ctx)
	}))
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	start(t, c)
	require.NoError(t, <-stopped)
}
