package fxiggy_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// handleTo passes the messages of a consumer to a channel.
func handleTo(values chan string) func(c *bytesConsumer) error {
	return func(c *bytesConsumer) error {
		return c.Handle(func(_ context.Context, m *bytesMessage) error {
			values <- string(m.Value)
			return nil
		})
	}
}

// probe returns the status and the report of the readiness probe.
func probe(t *testing.T, handler *health.Handler, path string) (int, health.Report) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	var report health.Report
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &report))
	return w.Code, report
}

// An orchestrator starts the server and its services at the same time.
func TestStartWaitsForTheServer(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages, values := newTopic(t, srv), make(chan string, 1)
		proxy := iggytest.NewProxy(t, srv.Address())
		proxy.StopListening()
		core, logs := observer.New(zapcore.WarnLevel)
		var pub *bytesPublisher
		app := fx.New(quiet, fxiggy.Module, configured(yaml(over{proxy, srv.transport})), fx.Supply(zap.New(core)),
			fxiggy.Consume(messages, "in"), fxiggy.Publish(messages), fx.Invoke(handleTo(values)), fx.Populate(&pub))
		require.NoError(t, app.Err())
		started := make(chan error, 1)
		go func() { started <- app.Start(t.Context()) }()
		require.Eventually(t, func() bool { return logs.FilterMessage("cannot provision topics, retrying").Len() > 0 }, within, time.Millisecond)
		proxy.StartListening()
		require.NoError(t, receive(t, started))
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
		require.Equal(t, "a", receive(t, values))
		require.NoError(t, stop(app))
		require.Equal(t, 1, logs.FilterMessage("cannot provision topics, retrying").Len(), "said once")
	})
}

// Provisioning, the producer and the consumer share one time limit.
func TestStartHasOneTimeLimit(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages := newTopic(t, srv)
		for name, refused := range map[string]func(conn int) bool{
			"no server":                      func(int) bool { return true },
			"no server for the consumer":     func(conn int) bool { return conn > 2 },
			"a server that comes and leaves": func(conn int) bool { return conn%2 == 1 },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				proxy := iggytest.NewProxy(t, srv.Address())
				proxy.Inject(iggytest.Refuse().When(func(r iggytest.Request) bool { return refused(int(r.Conn)) }))
				app := fx.New(quiet, fxiggy.Module, configured(strings.Replace(yaml(over{proxy, srv.transport}), "start_timeout: 10s", "start_timeout: 700ms", 1)),
					fxiggy.Consume(messages, "in"), fxiggy.Publish(messages), fx.Invoke(handleTo(nil), func(*bytesPublisher) {}))
				began := time.Now()
				if err := app.Start(t.Context()); err != nil {
					require.ErrorIs(t, err, iggyerr.ErrNotConnected)
					require.ErrorContains(t, err, proxy.Address())
				} else {
					require.NoError(t, stop(app))
				}
				require.Less(t, time.Since(began), 3*time.Second)
			})
		}
	})
}

// A cluster that is away stops neither the application nor the other cluster.
func TestStartInTheBackground(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		home, away := newTopic(t, srv), newTopic(t, srv)
		atHome, there := make(chan string, 1), make(chan string, 1)
		proxy := iggytest.NewProxy(t, srv.Address())
		proxy.StopListening()
		section := strings.Replace(yaml(over{proxy, srv.transport}), "start_timeout: 10s", "start: background, start_timeout: 1s", 1)
		section = "clusters:\n  eu:" + strings.ReplaceAll(section, "\n", "\n    ") + "\nhealth: {interval: 0s}\n"
		var (
			handler *health.Handler
			near    *bytesPublisher
			far     *bytesPublisher
		)
		app := fx.New(quiet, fxiggy.Module, fxiggy.Named("eu"), configured(yaml(srv)+section),
			fxiggy.Consume(home, "home"), fxiggy.Publish(home),
			fxiggy.Consume(away, "away", fxiggy.On("eu")), fxiggy.Publish(away, fxiggy.On("eu")),
			fx.Populate(&handler, &near, fx.Annotate(&far, fx.ParamTags(`name:"eu"`))),
			fx.Invoke(handleTo(atHome), fx.Annotate(handleTo(there), fx.ParamTags(`name:"eu"`))))
		require.NoError(t, app.Err())
		require.NoError(t, app.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, stop(app)) })

		require.NoError(t, errOf(near.Publish(t.Context(), []byte("a"))))
		require.Equal(t, "a", receive(t, atHome))
		require.Eventually(t, func() bool {
			code, report := probe(t, handler, health.ReadyPath)
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Equal(t, health.Up, report.Components["producer"].Status)
			return strings.Contains(report.Components["eu.consumer.away"].LastError, proxy.Address()) &&
				strings.Contains(report.Components["eu.producer"].LastError, proxy.Address())
		}, within, 10*time.Millisecond, "the report says why")
		code, _ := probe(t, handler, health.LivePath)
		require.Equal(t, http.StatusOK, code)

		// The topic does not exist before the cluster is there, which is no reason to fail a
		// message.
		published := make(chan error, 1)
		go func() { published <- errOf(far.Publish(t.Context(), []byte("b"))) }()
		proxy.StartListening()
		require.NoError(t, receive(t, published))
		require.Equal(t, "b", receive(t, there))
		require.Eventually(t, func() bool {
			code, _ := probe(t, handler, health.ReadyPath)
			return code == http.StatusOK
		}, within, 10*time.Millisecond)
	})
}

// An application in the background stops at once when the server never comes.
func TestStopBeforeTheServerCame(t *testing.T) {
	t.Parallel()
	srv := server(t)
	proxy := iggytest.NewProxy(t, srv.Address())
	proxy.StopListening()
	messages := topic.New("s", "t", topic.Bytes())
	app := fx.New(quiet, fxiggy.Module, configured(strings.Replace(yaml(proxy), "start_timeout", "start: background, start_timeout", 1)),
		fxiggy.Consume(messages, "in"), fxiggy.Publish(messages), fx.Invoke(handleTo(nil), func(*bytesPublisher) {}))
	require.NoError(t, app.Err())
	require.NoError(t, app.Start(t.Context()))
	began := time.Now()
	require.NoError(t, stop(app))
	require.Less(t, time.Since(began), 5*time.Second)
}

// What an operator deletes, or a server loses, under a running application is created again.
func TestTopicsThatGoMissingComeBack(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		for name, publishFirst := range map[string]bool{"found by the producer": true, "found by the consumer": false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				messages, values := newTopic(t, srv), make(chan string, 1)
				a := newAdmin(t, yaml(srv))
				var (
					handler *health.Handler
					pub     *bytesPublisher
				)
				start(t, configured(yaml(srv)+"health: {interval: 0s}\n"), fxiggy.Consume(messages, "in"), fxiggy.Publish(messages),
					fx.Invoke(handleTo(values)), fx.Populate(&pub, &handler))
				require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
				require.Equal(t, "a", receive(t, values))
				require.NoError(t, a.DeleteStream(t.Context(), messages.Stream()))
				if !publishFirst {
					require.Eventually(t, func() bool {
						_, _, err := a.Topic(t.Context(), messages.Stream(), messages.Name())
						return err == nil
					}, within, 10*time.Millisecond)
				}
				require.NoError(t, errOf(pub.Publish(t.Context(), []byte("b"))))
				require.Equal(t, "b", receive(t, values))
				require.Eventually(t, func() bool {
					code, _ := probe(t, handler, health.ReadyPath)
					return code == http.StatusOK
				}, within, 10*time.Millisecond)
			})
		}
	})
}

// A service that only publishes gets no requests while it is not ready, so it must not need a message
// to find that its topic is missing.
func TestAnIdleProducerFindsThatItsTopicIsMissing(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages := newTopic(t, srv)
		a := newAdmin(t, yaml(srv))
		var (
			handler *health.Handler
			pub     *bytesPublisher
		)
		start(t, configured(yaml(srv)+"health: {interval: 0s}\nproducer: {metadata_interval: 100ms}\n"), fxiggy.Publish(messages), fx.Populate(&pub, &handler))
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
		require.NoError(t, a.DeleteStream(t.Context(), messages.Stream()))
		require.Eventually(t, func() bool {
			_, _, err := a.Topic(t.Context(), messages.Stream(), messages.Name())
			return err == nil
		}, within, 10*time.Millisecond)
		requireReady(t, handler)
	})
}

// Without provisioning nothing comes back by itself: the service is not ready and says what is
// missing, until someone creates it.
func TestWithoutProvisioningAMissingTopicIsNamed(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages := newTopic(t, srv)
		a := newAdmin(t, yaml(srv))
		provision := func() {
			_, err := a.Provision(t.Context(), admin.Spec{admin.Of(messages)})
			require.NoError(t, err)
		}
		provision()
		var (
			handler *health.Handler
			pub     *bytesPublisher
		)
		off := strings.Replace(yaml(srv), "topics: {", "topics: {provision: false, ", 1)
		start(t, configured(off+"health: {interval: 0s}\nproducer: {metadata_interval: 100ms}\n"), fxiggy.Publish(messages), fx.Populate(&pub, &handler))
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
		require.NoError(t, a.DeleteStream(t.Context(), messages.Stream()))
		require.Eventually(t, func() bool {
			code, report := probe(t, handler, health.ReadyPath)
			return code == http.StatusServiceUnavailable && strings.Contains(report.Components["producer"].LastError, messages.String())
		}, within, 10*time.Millisecond)
		require.ErrorIs(t, errOf(pub.Publish(t.Context(), []byte("b"))), iggyerr.ErrNotFound)
		provision()
		require.Eventually(t, func() bool {
			code, _ := probe(t, handler, health.ReadyPath)
			return code == http.StatusOK
		}, within, 10*time.Millisecond)
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("c"))))
	})
}
