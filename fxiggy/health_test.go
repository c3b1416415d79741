package fxiggy_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/health/grpchealth"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var handler *health.Handler
	app := start(t, configured(yaml(srv)), fx.Populate(&handler), fx.Invoke(func(everything) {}))
	ready := func() (int, health.Report) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, health.ReadyPath, http.NoBody))
		var report health.Report
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &report))
		return w.Code, report
	}
	code, report := ready()
	require.Equal(t, http.StatusOK, code, "%v", report)
	require.Equal(t, []string{"consumer.dlq", "consumer.logs", "consumer.status", "consumer.tasks", "producer"}, names(report))
	require.JSONEq(t, `{"topic":"fetchbox/jobs.tasks","group":"workers","consuming":false,"joined":false,"partitions":[],"in_flight":0,"lag":0}`,
		string(report.Components["consumer.tasks"].Detail))
	require.NoError(t, stop(app))
	code, report = ready()
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.True(t, report.Draining)
}

// While the server is away, the service is alive and not ready, with the cause and the state of
// each connection in the report. When the server is back, the service is ready.
func TestHealthWithoutAServer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		breakIt func(*iggytest.Server)
		mend    func(*iggytest.Server)
		state   string
		text    string
	}{
		"gone": {(*iggytest.Server).Crash, (*iggytest.Server).Start, "connecting", "not connected"},
		"hangs": {func(s *iggytest.Server) {
			s.Inject(iggytest.Delay(within).On(embedded.GetTopic).Times(1))
		}, func(*iggytest.Server) {}, "ready", "iggy: producer-0: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := server(t)
			var handler *health.Handler
			start(t, configured(yaml(srv)+"health: {timeout: 300ms, interval: 0s}\n"), fx.Populate(&handler), fx.Invoke(func(*jobs.Publisher) {}),
				fxiggy.ConfigOptions(config.WithOverride(func(c *config.Config, _ config.Sources) error {
					c.Iggy.HeartbeatInterval, c.Iggy.RequestTimeout = 200*time.Millisecond, time.Second
					return nil
				})))
			probe := func(path string) (int, health.Report) {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
				var report health.Report
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &report))
				return w.Code, report
			}
			code, _ := probe(health.ReadyPath)
			require.Equal(t, http.StatusOK, code)
			tt.breakIt(srv)
			srv.WaitFor("the fall of readiness", func() bool {
				code, report := probe(health.ReadyPath)
				if code == http.StatusOK {
					return false
				}
				component := report.Components["producer"]
				var detail struct{ Connections []struct{ State string } }
				require.NoError(t, json.Unmarshal(component.Detail, &detail), "%s", component.LastError)
				require.Len(t, detail.Connections, 1)
				return detail.Connections[0].State == tt.state && strings.Contains(component.LastError, tt.text)
			})
			code, _ = probe(health.LivePath)
			require.Equal(t, http.StatusOK, code)
			tt.mend(srv)
			srv.WaitFor("readiness", func() bool {
				code, _ := probe(health.ReadyPath)
				return code == http.StatusOK
			})
		})
	}
}

// The check of a producer ends before its time is up, with the cause and the details.
func TestHealthOfAProducerWithoutAServerHasCauseAndDetail(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var registry *health.Registry
	start(t, configured(yaml(srv)+"\nhealth: {timeout: 400ms, interval: 10ms}\n"), fx.Populate(&registry), fx.Invoke(func(*jobs.Publisher) {}))
	srv.StopListening()
	srv.CutConnections()
	var producer health.Component
	require.Eventually(t, func() bool {
		producer = registry.Check(t.Context()).Components["producer"]
		return producer.Status == health.Down && strings.Contains(producer.LastError, "connection refused")
	}, 30*time.Second, 10*time.Millisecond)
	require.Contains(t, producer.LastError, "not connected to "+srv.Address())
	require.NotContains(t, producer.LastError, "\n")
	require.Contains(t, string(producer.Detail), `"connections"`)
}

// A client that watches the health delays no stop: the gRPC server's own hook may wait for it,
// whether that comes before or after the hooks of the library.
func TestWatchesEndWhenTheApplicationStops(t *testing.T) {
	t.Parallel()
	srv := server(t)
	for name, serverLast := range map[string]bool{"server stops after the consumers": false, "server stops first": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			serve := func(lc fx.Lifecycle, registry *health.Registry) {
				server, probes := grpc.NewServer(), grpchealth.New(registry)
				probes.Register(server)
				done := make(chan error, 1)
				lc.Append(fx.Hook{
					OnStart: func(context.Context) error {
						go func() { done <- server.Serve(listener) }()
						return nil
					},
					OnStop: func(ctx context.Context) error {
						if serverLast {
							return errors.Join(probes.GracefulStop(ctx, server), <-done)
						}
						server.GracefulStop()
						return <-done
					},
				})
			}
			consume := func(c *consumer.Consumer[Order]) error {
				return c.Handle(func(context.Context, *consumer.Message[Order]) error { return nil })
			}
			invoke := []any{serve, consume}
			if serverLast {
				slices.Reverse(invoke)
			}
			app := fx.New(quiet, fxiggy.Module, configured(yaml(srv)), fxiggy.Consume(Orders, "orders"), fx.Invoke(invoke...))
			require.NoError(t, app.Start(t.Context()))
			conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close()) }()
			watch, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
			require.NoError(t, err)
			_, err = watch.Recv()
			require.NoError(t, err)
			began := time.Now()
			require.NoError(t, stop(app))
			require.Less(t, time.Since(began), 10*time.Second)
			for err == nil {
				var answer *healthpb.HealthCheckResponse
				if answer, err = watch.Recv(); err == nil {
					require.Equal(t, healthpb.HealthCheckResponse_NOT_SERVING, answer.GetStatus())
				}
			}
			require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
		})
	}
}
