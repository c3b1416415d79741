package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// A server with default settings keeps messages over a purge that it has not written yet: polls return
// them, while the log ends before them and new messages get the first offsets again (measured on Iggy
// 0.8.0). The offsets go back without end then. That has backoff, is logged once a minute, and fails
// the check. What is sent behind the old messages is handled, and the check passes again.
func TestConsumerRecoversFromAPurgeOfUnsavedMessages(t *testing.T) {
	t.Parallel()
	for _, by := range []config.Transport{config.TransportSDK, config.TransportNative} {
		t.Run("embedded "+string(by), func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 2, embedded.WithPurgeSavedOnly(true))
			e.iggy.Transport = by
			testPurge(t, e, fastConfig())
		})
		t.Run("real "+string(by), func(t *testing.T) {
			t.Parallel()
			if newRealEnv(t, 2).savesAtOnce() {
				t.Skip("SKIPPED: the server saves each message at once, and keeps none over a purge")
			}
			e := newRealEnv(t, 2)
			e.iggy.Transport = by
			testPurge(t, e, config.DefaultConsumer("g"))
		})
	}
}

func testPurge(t *testing.T, e *testEnv, cfg config.Consumer) {
	const old = 100
	for i := range old {
		e.send(0, fmt.Sprintf("old/%d", i))
	}
	var lines logLines
	got := newSeen()
	c := e.consumer(cfg, consumer.WithLogger(lines.logger()))
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	got.wait(t, old)
	eventually(t, "the commit", func() bool {
		p := c.Status().Partitions
		return len(p) == 2 && p[0].HasCommitted && p[0].Committed == old-1
	})

	e.purge()
	e.send(0, "hidden/0")
	eventually(t, "the check to fail", func() bool { return c.Check(t.Context()) != nil })
	require.ErrorContains(t, c.Check(t.Context()), "partition 0 is assigned repeatedly")
	require.ErrorContains(t, c.Status().LastError, "log ends before")
	e.send(1, "other/0")
	require.Equal(t, "other/0", got.wait(t, old+1)[old], "the other partition goes on")

	for i := range 2 * old {
		e.send(0, fmt.Sprintf("new/%d", i))
	}
	last := fmt.Sprintf("new/%d", 2*old-1)
	eventually(t, "what is behind the old messages", func() bool { return slices.Contains(got.all(), last) })
	eventually(t, "order again", func() bool { return c.Check(t.Context()) == nil })
	stop(t, c)
	resets := 0
	for _, text := range []string{
		"offset reset: offset 100 was reached and the log is not the same any more", "partition assigned repeatedly, waiting", "partition lost", "partition assigned",
	} {
		resets += len(lines.lines(t, text))
	}
	require.Less(t, resets, 30)
	require.LessOrEqual(t, len(lines.lines(t, "partition assigned repeatedly, waiting")), 2)
	for _, text := range got.all()[old:] {
		require.NotContains(t, text, "old", "what was handled is not delivered again")
	}
}
