package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// held starts a consumer of three messages, of which "a/0" is done and the others keep
// their handlers until they are let go.
func held(t *testing.T, r *rig, commit time.Duration) *consumer.Consumer[string] {
	t.Helper()
	r.send(0, "a/0", "b/0", "c/0")
	cfg := quick()
	cfg.CommitInterval = commit
	got := newSeen()
	c := r.consumer(cfg)
	let := make(chan struct{})
	t.Cleanup(func() { close(let) })
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		if m.Value != "a/0" {
			<-let // whatever its context says
		}
		return nil
	}))
	start(t, c)
	got.wait(t, 3)
	r.server.WaitFor("the acknowledgement", func() bool { return c.Status().InFlight == 2 })
	return c
}

func TestStopThatHasNoTimeCountsWhatIsLeft(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := held(t, r, time.Hour)
	// Or the retirement may have committed before the counts are taken.
	r.server.Inject(iggytest.Silence().On(embedded.StoreOffset, embedded.GetOffset))
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	var stopped *consumer.StopError
	require.ErrorAs(t, c.Stop(ctx), &stopped)
	require.Equal(t, 2, stopped.Unfinished)
	require.Equal(t, 1, stopped.Uncommitted)
}

func TestStopOnAStalledServerCountsWhatIsLeft(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := held(t, r, time.Hour)
	r.server.Inject(iggytest.Silence().On(embedded.StoreOffset, embedded.GetOffset, embedded.LeaveGroup))
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	var stopped *consumer.StopError
	require.ErrorAs(t, c.Stop(ctx), &stopped)
	require.Equal(t, 2, stopped.Unfinished)
	require.Equal(t, 1, stopped.Uncommitted)
}

func TestStopWithoutAServerCountsWhatIsLeft(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := held(t, r, time.Hour)
	r.server.StopListening()
	r.server.CutConnections()
	r.server.WaitFor("the loss", func() bool { return !c.Status().Joined })
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	var stopped *consumer.StopError
	require.ErrorAs(t, c.Stop(ctx), &stopped)
	require.Equal(t, 2, stopped.Unfinished)
	require.Equal(t, 1, stopped.Uncommitted)
}
