package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within is how long something may take that must happen.
const within = 30 * time.Second

// testEnv is a server, and the topic orders in a stream of the test's own.
type testEnv struct {
	t        *testing.T
	cluster  config.Iggy
	cfg      config.Consumer
	orders   topic.Topic[string]
	letters  topic.Topic[deadletter.Letter]
	producer *producer.Producer
}

// order decodes texts that do not begin with an exclamation mark.
type order struct{ topic.Codec[string] }

func (order) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }
func (order) ContentType() string                         { return "text/plain" }
func (order) MessageType() string                         { return "" }

func (order) Decode(b []byte, _ topic.Headers) (string, error) {
	if strings.HasPrefix(string(b), "!") {
		return "", errors.New("no order")
	}
	return string(b), nil
}

func keyOf(v string) string {
	key, _, _ := strings.Cut(v, "/")
	return key
}

// overServers runs a test over both transports, against the embedded server and against a real one,
// which IGGY_TEST_ENDPOINT names.
func overServers(t *testing.T, test func(e *testEnv)) {
	for _, transport := range []config.Transport{config.TransportSDK, config.TransportNative} {
		t.Run(string(transport)+" embedded", func(t *testing.T) {
			t.Parallel()
			test(newTestEnv(t, transport, iggytest.NewServer(t).Endpoint(), iggytest.Username, iggytest.Password))
		})
		t.Run(string(transport)+" real", func(t *testing.T) {
			t.Parallel()
			endpoint := os.Getenv("IGGY_TEST_ENDPOINT")
			if endpoint == "" {
				t.Skip("SKIPPED: IGGY_TEST_ENDPOINT names no real server")
			}
			login, address, ok := strings.Cut(strings.TrimPrefix(endpoint, "iggy://"), "@")
			require.True(t, ok, "IGGY_TEST_ENDPOINT is iggy://user:password@host:port")
			user, password, _ := strings.Cut(login, ":")
			test(newTestEnv(t, transport, "iggy://"+address, user, password))
		})
	}
}

func newTestEnv(t *testing.T, transport config.Transport, endpoint, user, password string) *testEnv {
	t.Helper()
	e := &testEnv{t: t, cluster: config.Default().Iggy, cfg: config.DefaultConsumer("billing")}
	e.cluster.Endpoint, e.cluster.Transport = endpoint, transport
	e.cluster.ClientID, e.cluster.ClientSecret = user, config.NewSecret(password)
	e.cfg.PollIntervalMax, e.cfg.CommitInterval = 5*time.Millisecond, 0
	e.orders = topic.New(fmt.Sprintf("deadletter-test-%d", time.Now().UnixNano()), "orders", topic.Codec[string](order{}), topic.Key(keyOf),
		topic.WithSettings[string](topic.Settings{Partitions: 3}))
	e.letters = deadletter.TopicOf(e.orders, e.cfg)
	a, err := admin.New(e.cluster)
	require.NoError(t, err)
	_, err = a.Provision(t.Context(), admin.Spec{admin.Of(e.orders, e.cfg.Groups()...), admin.Of(e.letters, "replay", "replay.balance")})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, a.DeleteStream(context.Background(), e.orders.Stream()))
		require.NoError(t, a.Close())
	})
	e.producer, err = producer.New(e.cluster, config.Default().Producer)
	require.NoError(t, err)
	require.NoError(t, e.producer.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, e.producer.Stop(context.Background())) })
	return e
}

// consume starts a consumer of a topic with a handler. It is stopped with the test.
func consume[T any](e *testEnv, cfg config.Consumer, of topic.Topic[T], d consumer.DeadLetters[T], handler func(context.Context, *consumer.Message[T]) error, opts ...consumer.Option) *consumer.Consumer[T] {
	e.t.Helper()
	c, err := consumer.New(e.cluster, cfg, of, opts...)
	require.NoError(e.t, err)
	require.NoError(e.t, c.SetDeadLetters(d))
	require.NoError(e.t, c.Handle(handler))
	require.NoError(e.t, c.Start(e.t.Context()))
	e.t.Cleanup(func() { require.NoError(e.t, c.Stop(context.Background())) })
	return c
}

// rawMessages is the codec of messages as they are stored.
type rawMessages struct{ topic.Codec[topic.RawMessage] }

func (rawMessages) DecodeRaw(m topic.RawMessage) (topic.RawMessage, error) {
	m.Payload, m.Headers = append([]byte{}, m.Payload...), append([]byte(nil), m.Headers...)
	return m, nil
}

// read returns the first n messages of the topic orders as they are stored.
func (e *testEnv) read(n int) (all []topic.RawMessage) {
	e.t.Helper()
	stored := topic.New(e.orders.Stream(), e.orders.Name(), topic.Codec[topic.RawMessage](rawMessages{}))
	c, err := consumer.New(e.cluster, e.cfg, stored, consumer.WithStandalone(consumer.Standalone{Start: consumer.First()}))
	require.NoError(e.t, err)
	require.NoError(e.t, c.Start(e.t.Context()))
	defer func() { require.NoError(e.t, c.Stop(context.Background())) }()
	for len(all) < n {
		ctx, cancel := context.WithTimeout(e.t.Context(), within)
		m, err := c.Next(ctx)
		cancel()
		require.NoError(e.t, err)
		all = append(all, m.Value)
		m.Ack()
	}
	return all
}

// received waits for a value.
func received[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(within):
		require.FailNow(t, "waited in vain")
		panic("unreachable")
	}
}
