package consumer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// startInBubble starts a consumer of a fake server with the default configuration, as changed by
// change.
func startInBubble(t *testing.T, server *fakeServer, change func(*config.Consumer), handler func(context.Context, *consumer.Message[string]) error, opts ...consumer.Option) *consumer.Consumer[string] {
	t.Helper()
	return startInBubbleWithDeadLetters(t, server, change, nil, handler, opts...)
}

// startInBubbleWithDeadLetters is startInBubble with dead letters; nil are none.
func startInBubbleWithDeadLetters(t *testing.T, server *fakeServer, change func(*config.Consumer), d consumer.DeadLetters[string], handler func(context.Context, *consumer.Message[string]) error, opts ...consumer.Option) *consumer.Consumer[string] {
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

func ignoreMessage(context.Context, *consumer.Message[string]) error { return nil }
