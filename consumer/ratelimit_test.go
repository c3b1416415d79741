package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/consumer/consumertest"
)

// handledAt returns a handler that adds each message with the second in which it is handled.
func (s *steps) handledAt() consumer.Handler[string] {
	began := time.Now()
	return func(_ context.Context, m *consumer.Message[string]) error {
		s.add("%.0f %s", time.Since(began).Seconds(), m.Value)
		return nil
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := rate.NewLimiter(rate.Every(10*time.Second), 2)
		s := &steps{}
		handler := s.handledAt()
		var all []*consumer.Consumer[string]
		for _, key := range []string{"a", "b"} {
			server := newFakeServer(1)
			server.append(0, key+"/0", key+"/1", key+"/2")
			// The wait is longer than handler_timeout, which does not include it.
			all = append(all, startWithMiddleware(t, server, func(cfg *config.Consumer) { cfg.HandlerTimeout = time.Second },
				handler, []consumer.Middleware[string]{consumer.RateLimit[string](limiter)}))
		}
		time.Sleep(time.Minute)
		got := s.list()
		require.Len(t, got, 6)
		var at []string
		for _, step := range got {
			at = append(at, step[:2])
		}
		require.Equal(t, []string{"0 ", "0 ", "10", "20", "30", "40"}, at, "the limit is one for both consumers")
		for _, c := range all {
			require.NoError(t, c.Stop(context.Background()))
		}
	})
}

func TestRateLimitByKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		server.append(0, "a/0", "a/1", "a/2", "b/0", "b/1", "free/0", "free/1")
		s := &steps{}
		key := func(m *consumer.Message[string]) string {
			if m.Key() == "free" {
				return ""
			}
			return m.Key()
		}
		c := startWithMiddleware(t, server, func(*config.Consumer) {}, s.handledAt(),
			[]consumer.Middleware[string]{consumer.RateLimitByKey(0.1, 1, key)})
		time.Sleep(time.Minute)
		got := s.list()
		slices.Sort(got)
		require.Equal(t, []string{"0 a/0", "0 b/0", "0 free/0", "0 free/1", "10 a/1", "10 b/1", "20 a/2"}, got)
		require.NoError(t, c.Stop(context.Background()))
	})
}

// A message that waits for the rate limit does not hold up a stop, and has not failed.
func TestStopDoesNotWaitForRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		server.append(0, "a/0", "b/0", "c/0")
		s := &steps{}
		box := newDeadLetterRecorder()
		limiter := rate.NewLimiter(rate.Every(time.Hour), 1)
		cluster := config.Default().Iggy
		cluster.ClientID, cluster.ClientSecret = "iggy", config.NewSecret("iggy")
		cfg := config.DefaultConsumer("g")
		cfg.Retry.MaxDeliveries = 1 // a failure would be a dead letter
		c, err := consumer.New(cluster, cfg, texts("s", "t"), consumer.WithDialer(server))
		require.NoError(t, err)
		require.NoError(t, c.SetDeadLetters(box))
		require.NoError(t, c.Use(consumer.RateLimit[string](limiter)))
		require.NoError(t, c.Handle(s.handledAt()))
		require.NoError(t, c.Start(context.Background()))
		time.Sleep(10 * time.Second)
		require.Len(t, s.list(), 1)
		require.Equal(t, 2, c.Status().InFlight)
		began := time.Now()
		require.NoError(t, c.Stop(context.Background()))
		require.Less(t, time.Since(began), 100*time.Millisecond)
		require.Empty(t, box.wait(t, 0))
		require.InDelta(t, 0, limiter.Tokens(), 0.01, "their time is for others")
		stored, _ := server.committed()
		require.LessOrEqual(t, len(stored), 1)
	})
}

// Messages that were acknowledged when they were read are not delivered again: a stop waits for them.
func TestStopWaitsForRateLimitOfAcknowledgedMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		server.append(0, "a/0", "b/0", "c/0")
		s := &steps{}
		c := startWithMiddleware(t, server, func(cfg *config.Consumer) { cfg.AckMode = config.AckOnPoll }, s.handledAt(),
			[]consumer.Middleware[string]{consumer.RateLimit[string](rate.NewLimiter(rate.Every(time.Second), 1))})
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, c.Stop(context.Background()))
		require.Len(t, s.list(), 3)
	})
}

// A message whose partition is lost does not wait any longer.
func TestLossEndsWaitForRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		limiter := rate.NewLimiter(rate.Every(time.Hour), 1)
		handler := consumer.RateLimit[string](limiter)(func(context.Context, *consumer.Message[string]) error { return nil })
		m := consumertest.NewMessage("a/0")
		require.NoError(t, handler(ctx, m.Message))
		result := make(chan error, 1)
		go func() { result <- handler(ctx, m.Message) }()
		synctest.Wait()
		require.InDelta(t, -1, limiter.Tokens(), 0.01)
		cancel(consumer.ErrLost)
		require.ErrorIs(t, <-result, consumer.ErrLost)
		require.InDelta(t, 0, limiter.Tokens(), 0.01)
	})
}

// A limiter that lets nothing through is no fault of the messages.
func TestRateLimitWithoutBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		server.append(0, "a/0")
		s := &steps{}
		limiter := rate.NewLimiter(1, 0)
		c := startWithMiddleware(t, server, func(cfg *config.Consumer) { cfg.Retry.MaxDeliveries = 1 }, s.handledAt(),
			[]consumer.Middleware[string]{consumer.RateLimit[string](limiter)})
		time.Sleep(time.Minute)
		require.ErrorContains(t, c.Check(t.Context()), "the burst of the rate limit is 0")
		limiter.SetBurst(1)
		time.Sleep(time.Minute)
		require.NoError(t, c.Check(t.Context()))
		require.Len(t, s.list(), 1)
		require.NoError(t, c.Stop(context.Background()))
	})
}

func TestRateLimitArguments(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "consumer: RateLimit: no limiter", func() { consumer.RateLimit[string](nil) })
	for _, f := range []func(){
		func() { consumer.RateLimitByKey(0, 1, (*consumer.Message[string]).Key) },
		func() { consumer.RateLimitByKey(1, 0, (*consumer.Message[string]).Key) },
		func() { consumer.RateLimitByKey[string](1, 1, nil) },
	} {
		require.Panics(t, f)
	}
}

// Keys that were not used for a while take no memory, and no used key is forgotten.
func TestKeyLimitersAreDroppedWhenTheyAreLikeNew(t *testing.T) {
	t.Parallel()
	const burst = 2
	l := consumer.NewKeyLimiters(1, burst)
	now := time.Now()
	busy := map[string]int{}
	for i := range 20_000 {
		now = now.Add(time.Millisecond)
		require.Zero(t, l.Delay(fmt.Sprint("once-", i), now))
		if i%500 == 0 { // two in a second, where one is allowed
			busy["busy"]++
			l.Delay("busy", now)
		}
	}
	require.Less(t, l.Len(), 5000, "of 20,001 keys, 1,000 are used in each second")
	// 40 messages were reserved within 20 s, with a burst of 2 and one in each second.
	require.Equal(t, 40, busy["busy"])
	require.InDelta(t, 40-burst-19.5+1, l.Delay("busy", now).Seconds(), 1)
}
