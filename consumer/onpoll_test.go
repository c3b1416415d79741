package consumer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// A lost connection is no cut log, with on_poll neither: nothing stops, is skipped or comes again.
func TestOnPollGoesOnAfterAReconnection(t *testing.T) {
	t.Parallel()
	for _, on := range []config.OnReset{config.ResetFollow, config.ResetLatest, config.ResetStop} {
		t.Run(string(on), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(1)
				server.append(0, numbered("old", 10)...)
				core, logs := observer.New(zap.WarnLevel)
				l := newLedger()
				c := bubbled(t, server, func(cfg *config.Consumer) { cfg.AckMode, cfg.OnReset = config.AckOnPoll, on },
					func(_ context.Context, m *consumer.Message[string]) error {
						l.done(m.Value)
						return nil
					}, consumer.WithLogger(zap.New(core)))
				time.Sleep(10 * time.Second)
				server.crash(func() {})
				server.append(0, numbered("new", 5)...)
				time.Sleep(10 * time.Second)
				require.NoError(t, c.Stop(context.Background()))
				require.Len(t, l.times, 15)
				require.Zero(t, l.doubled)
				require.Empty(t, logs.FilterMessageSnippet("offset reset").All())
			})
		})
	}
}

// Once something is stored anew after a cut, what is stored counts: another member may have passed more.
func TestOnPollBelievesWhatIsStoredAfterACut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		server.append(0, numbered("old", 10)...)
		l := newLedger()
		c := bubbled(t, server, func(cfg *config.Consumer) { cfg.AckMode = config.AckOnPoll }, func(_ context.Context, m *consumer.Message[string]) error {
			l.done(m.Value)
			return nil
		})
		time.Sleep(10 * time.Second)
		server.crash(func() { server.partitions[0] = server.partitions[0][:5] })
		server.append(0, numbered("new", 3)...)
		time.Sleep(10 * time.Second)
		require.Equal(t, 13, l.distinct())
		server.append(0, "passed/0", "passed/1")
		server.crash(func() { server.stored[0] = 9 }) // by another member
		server.append(0, "last/0")
		time.Sleep(10 * time.Second)
		require.NoError(t, c.Stop(context.Background()))
		require.Contains(t, l.times, "last/0")
		require.NotContains(t, l.times, "passed/0")
		require.NotContains(t, l.times, "passed/1")
		require.Zero(t, l.doubled)
	})
}
