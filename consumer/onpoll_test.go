package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestOnPollIsAtMostOnce(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0", "b/0")
	cfg := fastConfig()
	cfg.AckMode = config.AckOnPoll
	c := e.consumer(cfg)
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		offset, ok := e.server.Committed("s", "t", "g", 0)
		got.add(fmt.Sprintf("%s %d %v", m.Value, offset, ok))
		return errors.New("not delivered again")
	}))
	start(t, c)
	got.wait(t, 2)
	e.send(0, "c/0")
	require.ElementsMatch(t, []string{"a/0 1 true", "b/0 1 true", "c/0 2 true"}, got.wait(t, 3))
	stop(t, c)
	require.Len(t, got.all(), 3)
}

// Messages that are read and not delivered are lost when the process ends. So with on_poll no more
// than max_in_flight are read before others are done.
func TestOnPollReadsNoMoreThanMaxInFlightAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = 4
		server := newFakeServer(1)
		for i := range 100 {
			server.append(0, fmt.Sprintf("%d/", i))
		}
		log, finish := newHandlerLog(), make(chan struct{})
		c := startInBubble(t, server, func(cfg *config.Consumer) { cfg.AckMode, cfg.MaxInFlight = config.AckOnPoll, window },
			func(_ context.Context, m *consumer.Message[string]) error {
				<-finish
				log.done(m.Value)
				return nil
			})
		time.Sleep(10 * time.Second)
		stored, _ := server.committed()
		require.Less(t, stored[0], uint64(2*window))
		close(finish)
		time.Sleep(10 * time.Second)
		require.NoError(t, c.Stop(context.Background()))
		require.Equal(t, 100, log.distinct())
		require.Zero(t, log.doubled)
	})
}

// A lost connection is not a truncated log, with on_poll neither: nothing stops, is skipped or is
// delivered again.
func TestOnPollContinuesAfterReconnection(t *testing.T) {
	t.Parallel()
	for _, on := range []config.OnReset{config.ResetFollow, config.ResetLatest, config.ResetStop} {
		t.Run(string(on), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(1)
				server.append(0, numbered("old", 10)...)
				core, logs := observer.New(zap.WarnLevel)
				log := newHandlerLog()
				c := startInBubble(t, server, func(cfg *config.Consumer) { cfg.AckMode, cfg.OnReset = config.AckOnPoll, on },
					func(_ context.Context, m *consumer.Message[string]) error {
						log.done(m.Value)
						return nil
					}, consumer.WithLogger(zap.New(core)))
				time.Sleep(10 * time.Second)
				server.crash(func() {})
				server.append(0, numbered("new", 5)...)
				time.Sleep(10 * time.Second)
				require.NoError(t, c.Stop(context.Background()))
				require.Len(t, log.times, 15)
				require.Zero(t, log.doubled)
				require.Empty(t, logs.FilterMessageSnippet("offset reset").All())
			})
		})
	}
}

// Once another offset is stored after a truncation, the stored offset counts: another member may
// have handled more.
func TestOnPollUsesTheStoredOffsetAfterTruncation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		server.append(0, numbered("old", 10)...)
		log := newHandlerLog()
		c := startInBubble(t, server, func(cfg *config.Consumer) { cfg.AckMode = config.AckOnPoll }, func(_ context.Context, m *consumer.Message[string]) error {
			log.done(m.Value)
			return nil
		})
		time.Sleep(10 * time.Second)
		server.crash(func() { server.partitions[0] = server.partitions[0][:5] })
		server.append(0, numbered("new", 3)...)
		time.Sleep(10 * time.Second)
		require.Equal(t, 13, log.distinct())
		server.append(0, "passed/0", "passed/1")
		server.crash(func() { server.stored[0] = 9 }) // by another member
		server.append(0, "last/0")
		time.Sleep(10 * time.Second)
		require.NoError(t, c.Stop(context.Background()))
		require.Contains(t, log.times, "last/0")
		require.NotContains(t, log.times, "passed/0")
		require.NotContains(t, log.times, "passed/1")
		require.Zero(t, log.doubled)
	})
}
