package fxiggy_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// A group that is deleted under a running consumer is created again. Its offsets are deleted with it,
// which is an operator's reset: the topic is consumed from its start.
func TestAGroupThatGoesMissingComesBack(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages, values := newTopic(t, srv), make(chan string, 10)
		var (
			handler *health.Handler
			pub     *bytesPublisher
		)
		start(t, configured(yaml(srv)+"health: {interval: 0s}\n"), fxiggy.Consume(messages, "in"), fxiggy.Publish(messages),
			fx.Invoke(handleTo(values)), fx.Populate(&pub, &handler))
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
		require.Equal(t, "a", receive(t, values))
		a := newAdmin(t, yaml(srv))
		require.Eventually(t, func() bool {
			lag, err := a.Lag(t.Context(), admin.Group{Stream: messages.Stream(), Topic: messages.Name(), Name: "in"})
			return err == nil && lag.Total() == 0
		}, within, 20*time.Millisecond, "the message is committed")
		deleteGroup(t, srv, messages, "in")
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("b"))))
		require.ElementsMatch(t, []string{"a", "b"}, []string{receive(t, values), receive(t, values)}, "messages without a key have no order")
		requireReady(t, handler)
	})
}

// Without provisioning, a loop waits for a topic that someone else creates, and the service is not
// ready until then.
func TestALoopWaitsForATopicThatOthersCreate(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages, values := newTopic(t, srv), make(chan string, 1)
		var (
			handler *health.Handler
			pub     *bytesPublisher
		)
		text := strings.Replace(yaml(srv), "topics: {", "topics: {provision: off, ", 1)
		start(t, configured(text+"health: {interval: 0s}\n"), fxiggy.Consume(messages, "in"), fxiggy.Publish(messages),
			fx.Invoke(func(bg *fxiggy.Background, c *bytesConsumer) error {
				return bg.Go("loop", func(ctx context.Context) error {
					for m, err := range c.Messages(ctx) {
						if err != nil {
							return err
						}
						values <- string(m.Value)
					}
					return nil
				})
			}), fx.Populate(&pub, &handler))
		require.Eventually(t, func() bool {
			status, report := probe(t, handler, health.ReadyPath)
			return status == http.StatusServiceUnavailable && strings.Contains(report.Components["consumer.in"].LastError, "not found")
		}, within, 10*time.Millisecond)
		_, err := newAdmin(t, yaml(srv)).Provision(t.Context(), admin.Spec{admin.Of(messages, config.DefaultConsumer("in").Groups()...)})
		require.NoError(t, err)
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
		require.Equal(t, "a", receive(t, values))
		requireReady(t, handler)
	})
}

// deleteGroup deletes a group as an operator does, with the official SDK.
func deleteGroup(t *testing.T, srv endpoint, of topic.Topic[[]byte], name string) {
	t.Helper()
	c, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(srv.Address()))
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = c.LoginUser("iggy", "iggy")
	require.NoError(t, err)
	var ids []iggcon.Identifier
	for _, n := range []string{of.Stream(), of.Name(), name} {
		id, err := iggcon.NewIdentifier(n)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	require.NoError(t, c.DeleteConsumerGroup(ids[0], ids[1], ids[2]))
}
