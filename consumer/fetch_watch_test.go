package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Idle consumers of one topic in a process share what they ask the server. Alone, each one asks 20
// times a second.
func TestIdleConsumersOfATopicShareTheirLooks(t *testing.T) {
	t.Parallel()
	const consumers = 8
	e := newTestEnv(t, 2)
	handled := newSeen()
	for i := range consumers {
		cfg := config.DefaultConsumer(fmt.Sprintf("g%d", i))
		cfg.FairAssignment = false
		e.server.CreateGroup("s", "t", cfg.Group)
		c := e.consumer(cfg)
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
			handled.add(fmt.Sprint(cfg.Group, m.Value))
			return nil
		}))
		start(t, c)
	}
	asked := e.server.Inject(iggytest.Observe().On(embedded.GetTopic))
	defer asked.Remove()
	// Each member verifies its partitions once a second, and the interval is at its maximum for most
	// of the time. On a slow machine, some members may have joined only now, after which the topic is
	// looked at more often.
	began := time.Now()
	time.Sleep(2 * time.Second)
	rate := float64(asked.Count()) / time.Since(began).Seconds()
	require.Less(t, rate, 0.75*20*consumers)
	e.send(1, "k/last")
	handled.wait(t, consumers)
	require.Len(t, handled.all(), consumers)
}
