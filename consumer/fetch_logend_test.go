package consumer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestIdleConsumerPollsSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(8)
		c := startInBubble(t, server, nil, ignoreMessage)
		time.Sleep(10 * time.Second)
		before, topics := server.total(), server.counted("topic")
		time.Sleep(time.Minute)
		perSecond := float64(server.total()-before) / 60
		t.Logf("%.1f requests a second, %.1f of them for the topic", perSecond, float64(server.counted("topic")-topics)/60)
		require.Less(t, perSecond, 55.0)
		require.NoError(t, c.Stop(context.Background()))
	})
}

func TestIdleConsumerReadsWithinThePollInterval(t *testing.T) {
	t.Parallel()
	for name, noTopic := range map[string]bool{"by the topic": false, "by polls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(8)
				server.noTopic = noTopic
				handled := make(chan time.Time, 1)
				c := startInBubble(t, server, nil, func(context.Context, *consumer.Message[string]) error {
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

// A server that announces messages and does not return them is asked less and less often, and the
// check says so, until it does.
func TestAnnouncedMessagesThatAreNotReturned(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			server := newFakeServer(1)
			server.empty = true
			server.append(0, numbered("a", n)...)
			handled := newSeen()
			c := startInBubble(t, server, nil, func(_ context.Context, m *consumer.Message[string]) error {
				handled.add(m.Value)
				return nil
			})
			time.Sleep(10 * time.Minute)
			require.Error(t, c.Check(t.Context()))
			before := server.total()
			time.Sleep(10 * time.Minute)
			require.Less(t, server.total()-before, 600*40, "it is as quiet as an idle consumer")
			server.mu.Lock()
			server.empty = false
			server.mu.Unlock()
			handled.wait(t, n)
			time.Sleep(5 * time.Minute)
			require.NoError(t, c.Check(t.Context()))
			require.NoError(t, c.Stop(context.Background()))
		})
	}
}
