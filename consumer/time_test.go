package consumer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// bubbled makes a consumer of a fake server, started, with the default
// configuration but for change.
func bubbled(t *testing.T, server *fakeServer, change func(*config.Consumer), handler func(context.Context, *consumer.Message[string]) error, opts ...consumer.Option) *consumer.Consumer[string] {
	t.Helper()
	return bubbledWithDeadLetters(t, server, change, nil, handler, opts...)
}

// bubbledWithDeadLetters is bubbled with dead letters; nil are none.
func bubbledWithDeadLetters(t *testing.T, server *fakeServer, change func(*config.Consumer), d consumer.DeadLetters[string], handler func(context.Context, *consumer.Message[string]) error, opts ...consumer.Option) *consumer.Consumer[string] {
	t.Helper()
	cluster := config.Default().Iggy
	cluster.ClientID, cluster.ClientSecret = "iggy", config.NewSecret("iggy")
	cfg := config.DefaultConsumer("g")
	cfg.Retry.Jitter = 0
	if change != nil {
		change(&cfg)
	}
	c, err := consumer.New(cluster, cfg, texts("s", "t"), append(opts, consumer.WithDialer(server))...)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadLetters(d))
	require.NoError(t, c.Handle(handler))
	require.NoError(t, c.Start(context.Background()))
	return c
}

func nothing(context.Context, *consumer.Message[string]) error { return nil }

func TestIdleConsumerAsksSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(8)
		c := bubbled(t, server, nil, nothing)
		time.Sleep(10 * time.Second)
		before, topics := server.total(), server.counted("topic")
		time.Sleep(time.Minute)
		perSecond := float64(server.total()-before) / 60
		t.Logf("%.1f requests a second, %.1f of them for the topic", perSecond, float64(server.counted("topic")-topics)/60)
		require.Less(t, perSecond, 55.0)
		require.NoError(t, c.Stop(context.Background()))
	})
}

func TestIdleConsumerNoticesAMessageWithinThePollInterval(t *testing.T) {
	t.Parallel()
	for name, noTopic := range map[string]bool{"by the topic": false, "by polls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(8)
				server.noTopic = noTopic
				handled := make(chan time.Time, 1)
				c := bubbled(t, server, nil, func(context.Context, *consumer.Message[string]) error {
					handled <- time.Now()
					return nil
				})
				limit := config.DefaultConsumer("g").PollIntervalMax
				for i := range 20 {
					time.Sleep(time.Second + time.Duration(i)*7*time.Millisecond)
					sent := time.Now()
					server.append(i%8, "a/0")
					require.LessOrEqual(t, (<-handled).Sub(sent), limit)
				}
				// While something comes, it asks all the time.
				for range 100 {
					time.Sleep(2 * time.Millisecond)
					sent := time.Now()
					server.append(0, "a/0")
					require.LessOrEqual(t, (<-handled).Sub(sent), 2*time.Millisecond)
				}
				require.NoError(t, c.Stop(context.Background()))
			})
		})
	}
}

func TestCommitsByIntervalAndByCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		c := bubbled(t, server, func(cfg *config.Consumer) {
			cfg.CommitEvery = 10
			cfg.PollIntervalMax = 10 * time.Millisecond
		}, nothing)
		time.Sleep(5*time.Second + 500*time.Millisecond)
		server.append(0, numbered("a", 3)...)
		time.Sleep(400 * time.Millisecond)
		stored, _ := server.committed()
		require.Empty(t, stored, "neither the interval nor the count")
		time.Sleep(200 * time.Millisecond)
		stored, _ = server.committed()
		require.EqualValues(t, 2, stored[0], "the interval")
		server.append(0, numbered("a", 10)...)
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		stored, commits := server.committed()
		require.EqualValues(t, 12, stored[0], "the count")
		time.Sleep(time.Minute)
		_, later := server.committed()
		require.Equal(t, commits, later, "what is stored is not stored again")
		require.NoError(t, c.Stop(context.Background()))
	})
}

func TestRedeliveryBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		var times []time.Time
		box := newLetters()
		c := bubbledWithDeadLetters(t, server, nil, box, func(_ context.Context, m *consumer.Message[string]) error {
			times = append(times, time.Now())
			if m.Deliveries() == 3 {
				return consumer.RetryAfter(time.Minute, errors.New("busy"))
			}
			return errors.New("failed")
		})
		server.append(0, "a/0")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, times, 5)
		var pauses []time.Duration
		for i := 1; i < len(times); i++ {
			pauses = append(pauses, times[i].Sub(times[i-1]))
		}
		ms := time.Millisecond
		require.Equal(t, []time.Duration{200 * ms, 400 * ms, time.Minute, 1600 * ms}, pauses)
		box.mu.Lock()
		defer box.mu.Unlock()
		require.Len(t, box.failures, 1)
		require.Equal(t, 5, box.failures[0].Attempts)
		require.NoError(t, c.Stop(context.Background()))
	})
}

func TestMessagesWaitForTheDeadLettersWithGrowingPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		box := newLetters()
		box.broken = errors.New("no connection")
		c := bubbledWithDeadLetters(t, server, nil, box, nothing)
		server.append(0, "!malformed")
		time.Sleep(10 * time.Minute)
		box.mu.Lock()
		tries := box.tries
		box.mu.Unlock()
		require.Greater(t, tries, 60, "it keeps trying")
		require.Less(t, tries, 80, "and not in a hot loop")
		stored, _ := server.committed()
		require.Empty(t, stored)
		begun := time.Now()
		var stopped *consumer.StopError
		require.ErrorAs(t, c.Stop(context.Background()), &stopped)
		require.Equal(t, 1, stopped.Unfinished)
		require.Equal(t, config.DefaultConsumer("g").DrainTimeout, time.Since(begun).Truncate(time.Second))
	})
}

func TestStopLeavesTimeForThoseBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		c := bubbled(t, server, nil, func(ctx context.Context, _ *consumer.Message[string]) error {
			<-ctx.Done()
			return ctx.Err()
		})
		server.append(0, "a/0")
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		require.ErrorIs(t, c.Stop(ctx), consumer.ErrStopDeadline)
		require.Equal(t, 4*time.Second, time.Since(begun).Round(10*time.Millisecond), "four fifths of the time")
	})
}
