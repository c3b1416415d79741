package consumer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// storedMessages is the codec of messages as they are stored.
type storedMessages struct{ topic.Codec[topic.RawMessage] }

func (storedMessages) DecodeRaw(m topic.RawMessage) (topic.RawMessage, error) {
	m.Payload, m.Headers = bytes.Clone(m.Payload), bytes.Clone(m.Headers)
	return m, nil
}

// Headers that the codec encrypts are unreadable on the server and in dead letters, and complete for a
// handler, also after a replay.
func TestEncryptedHeaders(t *testing.T) {
	t.Parallel()
	overServers(t, 3, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		keys, err := topic.NewKeyring("a", map[string][]byte{"a": bytes.Repeat([]byte{7}, 32)})
		require.NoError(t, err)
		secret := topic.New(e.stream, "t", topic.Encrypted(topic.JSON[orderPlaced](), keys, topic.OfficialFormat()),
			topic.StoreKey[orderPlaced](), topic.Compress[orderPlaced](config.CompressionS2, 1))
		letters := deadletter.TopicOf(secret, cfg)
		a, err := admin.New(e.iggy)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, a.Close()) })
		_, err = a.Provision(t.Context(), admin.Spec{admin.Of(letters)})
		require.NoError(t, err)
		spans := tracetest.NewSpanRecorder()
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		p, err := producer.New(e.iggy, config.Default().Producer, producer.WithTracerProvider(tracers))
		require.NoError(t, err)
		require.NoError(t, p.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })

		got := make(chan string, 10)
		c, err := consumer.New(e.iggy, cfg, secret, consumer.WithTracerProvider(tracers))
		require.NoError(t, err)
		require.NoError(t, c.SetDeadLetters(deadletter.New[orderPlaced](p, letters)))
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[orderPlaced]) error {
			got <- fmt.Sprint(m.Value.Customer, " ", m.Key(), " ", m.Header("tenant"), " ", len(m.Headers()))
			if m.Header(topic.HeaderReplayOf) == "" {
				return consumer.Permanent(errors.New("no money"))
			}
			return nil
		}))
		require.NoError(t, c.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, c.Stop(context.Background())) })

		r, err := producer.For(p, secret).Publish(t.Context(), orderPlaced{"7", "zoe"},
			producer.WithKey("k"), producer.WithHeaders(topic.Header{Key: "tenant", Value: "acme"}))
		require.NoError(t, err)
		// content-type, message-type, tenant, partition-key and traceparent
		require.Equal(t, "zoe k acme 5", received(t, "the message", got))

		for _, place := range []string{"t", letters.Name()} {
			m := readFirst(t, e, cfg, topic.New(e.stream, place, topic.Codec[topic.RawMessage](storedMessages{})))
			require.Equal(t, r.ID, m.ID)
			for _, plain := range []string{"zoe", "acme", "tenant", "traceparent", "application/json"} {
				require.NotContains(t, string(m.Payload)+string(m.Headers), plain, "in %s", place)
			}
		}
		require.NoError(t, deadletter.Replay(t.Context(), p, readFirst(t, e, cfg, letters), 0))
		require.Equal(t, "zoe k acme 6", received(t, "the replayed message", got))

		require.NoError(t, c.Stop(t.Context()))
		linked := 0
		for _, span := range spans.Ended() {
			linked += len(span.Links())
		}
		require.Equal(t, 2, linked, "to the span that has published it")
	})
}

// readFirst returns the first message of a topic.
func readFirst[T any](t *testing.T, e *testEnv, cfg config.Consumer, of topic.Topic[T]) T {
	t.Helper()
	c, err := consumer.New(e.iggy, cfg, of, consumer.WithStandalone(consumer.Standalone{Start: consumer.First()}))
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context()))
	defer func() { require.NoError(t, c.Stop(context.Background())) }()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	m, err := c.Next(ctx)
	require.NoError(t, err)
	m.Ack()
	return m.Value
}

// A message whose headers can't be decrypted can't be decoded.
func TestHeadersThatCannotBeDecrypted(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	keys, err := topic.NewKeyring("a", map[string][]byte{"a": bytes.Repeat([]byte{7}, 32)})
	require.NoError(t, err)
	codec := topic.Encrypted(topic.JSON[orderPlaced](), keys, topic.OfficialFormat())
	p, err := producer.New(e.iggy, config.Default().Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })
	payload, err := codec.Append(nil, orderPlaced{"7", "zoe"})
	require.NoError(t, err)
	_, err = p.Send(t.Context(), producer.Message{Stream: "s", Topic: "t", Payload: payload, Headers: []topic.Header{{Key: "tenant", Value: "acme"}}})
	require.NoError(t, err)

	failures := make(chan topic.Failure[orderPlaced], 1)
	c, err := consumer.New(e.iggy, fastConfig(), topic.New("s", "t", codec))
	require.NoError(t, err)
	require.NoError(t, c.SetDeadLetters(failureFunc[orderPlaced](func(f topic.Failure[orderPlaced]) { failures <- f })))
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[orderPlaced]) error { return nil }))
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, c.Stop(context.Background())) })
	f := received(t, "a dead letter", failures)
	require.Equal(t, topic.CodeDecode, f.Code)
	require.ErrorIs(t, f.Err, topic.ErrDecrypt)
	require.ErrorContains(t, f.Err, "headers")
	require.Empty(t, f.Headers)
	require.Equal(t, payload, f.Raw.Payload)
}

// failureFunc is dead letters that pass failures to a function.
type failureFunc[T any] func(topic.Failure[T])

func (f failureFunc[T]) DeadLetter(_ context.Context, failure topic.Failure[T]) error {
	f(failure)
	return nil
}
