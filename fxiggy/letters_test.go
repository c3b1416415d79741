package fxiggy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// refuse gives up each message but a replayed one.
func refuse(values chan<- string) func(c *consumer.Consumer[[]byte]) error {
	return func(c *consumer.Consumer[[]byte]) error {
		return c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error {
			if m.Header(topic.HeaderReplayOf) == "" {
				return consumer.Permanent(errors.New("refused"))
			}
			values <- string(m.Value)
			return nil
		})
	}
}

// replayAll replays each dead letter.
func replayAll(seen chan<- deadletter.Letter) any {
	return func(c *consumer.Consumer[deadletter.Letter], p *producer.Producer) error {
		return c.Handle(func(ctx context.Context, m *consumer.Message[deadletter.Letter]) error {
			seen <- m.Value
			return deadletter.Replay(ctx, p, m.Value, 0)
		})
	}
}

func TestDeadLettersAreStoredInATopicOfTheirOwn(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages, values, letters := newTopic(t, srv), make(chan string, 10), make(chan deadletter.Letter, 10)
		stored := topic.New(messages.Stream(), "given-up", deadletter.Codec(),
			topic.WithSettings[deadletter.Letter](topic.Settings{Partitions: 2, Retention: topic.RetentionForever}))
		core, logs := observer.New(zapcore.InfoLevel)
		var (
			pub     *bytesPublisher
			handler *health.Handler
		)
		start(t, configured(yaml(srv)+"health: {interval: 0s}\nconsumers: {in: {dead_letters: {name: given-up, partitions: 2, retention: -1}}}\n"),
			fxiggy.Consume(messages, "in", fxiggy.DeadLetters()), fxiggy.Consume(stored, "replay"), fxiggy.Publish(messages),
			fx.Supply(zap.New(core)), fx.Invoke(refuse(values), replayAll(letters)), fx.Populate(&pub, &handler))
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"), producer.WithHeaders(topic.Header{Key: "tenant", Value: "x"}))))
		l := receive(t, letters)
		require.Equal(t, "refused", l.Cause)
		require.Equal(t, "in", l.Origin.Group)
		require.Equal(t, "a", receive(t, values))
		requireReady(t, handler)

		found, _, err := newAdmin(t, yaml(srv)).Topic(t.Context(), messages.Stream(), "given-up")
		require.NoError(t, err)
		require.EqualValues(t, 2, found.Partitions)
		require.Equal(t, topic.RetentionForever, found.Retention)
		where := logs.FilterMessage("failed messages go to dead letters").FilterField(zap.String("consumer", "in")).All()
		require.Len(t, where, 1)
		require.Equal(t, stored.String(), where[0].ContextMap()["topic"])
	})
}

// Promise 7: the offset waits for the dead letter, also when the topic of the dead letters goes missing.
func TestDeadLetterTopicThatGoesMissingComesBack(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages, values := newTopic(t, srv), make(chan string, 10)
		var (
			pub     *bytesPublisher
			handler *health.Handler
		)
		start(t, configured(yaml(srv)+"health: {interval: 0s}\n"), fxiggy.Consume(messages, "in", fxiggy.DeadLetters()), fxiggy.Publish(messages),
			fx.Invoke(refuse(values)), fx.Populate(&pub, &handler))
		a := newAdmin(t, yaml(srv))
		for n := range uint64(3) {
			require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
			requireLetters(t, a, messages, 1)
			requireCommitted(t, a, messages, n+1)
			require.NoError(t, a.DeleteTopic(t.Context(), messages.Stream(), "t.in.dlq"))
		}
		requireReady(t, handler)
	})
}

// requireLetters waits until the topic of the dead letters has so many.
func requireLetters(t *testing.T, a *admin.Admin, of topic.Topic[[]byte], n uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		found, _, err := a.Topic(t.Context(), of.Stream(), "t.in.dlq")
		return err == nil && found.Messages == n
	}, within, 20*time.Millisecond)
}

// requireCommitted waits until the group in has committed so many messages.
func requireCommitted(t *testing.T, a *admin.Admin, of topic.Topic[[]byte], n uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		lag, err := a.Lag(t.Context(), admin.Group{Stream: of.Stream(), Topic: of.Name(), Name: "in"})
		return err == nil && lag.Partitions[0].Stored && lag.Partitions[0].Committed == n-1
	}, within, 20*time.Millisecond)
}

// Without provisioning, nobody creates the topic: the consumer is not ready and says why, and commits
// nothing.
func TestDeadLettersWithoutTheirTopic(t *testing.T) {
	t.Parallel()
	srv := server(t)
	messages, values := newTopic(t, srv), make(chan string, 10)
	a := newAdmin(t, yaml(srv))
	_, err := a.Provision(t.Context(), admin.Spec{admin.Of(messages, "in", "in.balance")})
	require.NoError(t, err)
	var (
		pub      *bytesPublisher
		registry *health.Registry
	)
	text := strings.Replace(yaml(srv), "topics: {", "topics: {provision: false, ", 1)
	start(t, configured(text+"health: {interval: 0s}\n"), fxiggy.Consume(messages, "in", fxiggy.DeadLetters()), fxiggy.Publish(messages),
		fx.Invoke(refuse(values)), fx.Populate(&pub, &registry))
	require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
	require.Eventually(t, func() bool {
		result := registry.Check(t.Context())
		return strings.Contains(fmt.Sprint(result), "waits for the dead letters") && strings.Contains(fmt.Sprint(result), messages.Stream()+"/t.in.dlq")
	}, within, 20*time.Millisecond)
	lag, err := a.Lag(t.Context(), admin.Group{Stream: messages.Stream(), Topic: "t", Name: "in"})
	require.NoError(t, err)
	require.False(t, lag.Partitions[0].Stored)
	_, err = a.Provision(t.Context(), admin.Spec{{Stream: messages.Stream(), Name: "t.in.dlq"}})
	require.NoError(t, err)
	requireLetters(t, a, messages, 1)
	requireCommitted(t, a, messages, 1)
}

func TestDeadLettersOfTheApplicationComeBeforeThoseInATopic(t *testing.T) {
	t.Parallel()
	srv := server(t)
	sink := make(orderSink, 1)
	var pub *producer.Publisher[Order]
	startCore(t, configured(string(srv.YAML())), fxiggy.Consume(Orders, "billing", fxiggy.DeadLetters()), fxiggy.Publish(Orders),
		fx.Provide(func() consumer.DeadLetters[Order] { return sink }), fx.Populate(&pub),
		fx.Invoke(func(c *consumer.Consumer[Order]) error {
			return c.Handle(func(context.Context, *consumer.Message[Order]) error { return consumer.Permanent(errors.New("no")) })
		}))
	require.NoError(t, errOf(pub.Publish(t.Context(), Order{ID: "1"})))
	require.Equal(t, "1", receive(t, sink).Value.ID)
	_, _, err := newAdmin(t, yaml(srv)).Topic(t.Context(), "shop", "orders.billing.dlq")
	require.Error(t, err, "it is not needed")
}

func TestDeadLettersWithANameThatIsTooLong(t *testing.T) {
	t.Parallel()
	long := "consumers: {billing: {group: " + strings.Repeat("g", 247) + "}}\n"
	err := fx.New(quiet, fxiggy.Core, configured(offline+"\n"+long), fxiggy.Consume(Orders, "billing", fxiggy.DeadLetters()),
		fx.Invoke(func(*consumer.Consumer[Order]) {})).Err()
	require.ErrorContains(t, fxiggy.Cause(err), "fxiggy: consumer billing: dead_letters.name: ")
	require.ErrorContains(t, fxiggy.Cause(err), "must have 1 to 255 bytes")
}
