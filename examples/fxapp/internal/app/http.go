package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/httpserver"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/health"
)

// newProbeHandler returns the handler of metrics and health: that of processes without the API, and of
// the address of probes.
func newProbeHandler(
	probes *health.Handler, registry *health.Registry, tel *telemetry.Telemetry,
) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", tel.MetricsHandler())
	probes.Register(mux)
	mux.Handle("GET /operators/health", componentsHandler(registry))
	return mux
}

// maxErrorBytes bounds the error of a component in a response.
const maxErrorBytes = 2 << 10

// componentsHandler serves the state of each component.
func componentsHandler(r *health.Registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		report := r.Check(request.Context())
		for name, c := range report.Components {
			c.LastError = bounded.Text(c.LastError, maxErrorBytes) // it may quote what a server sent
			report.Components[name] = c
		}
		api.WriteJSON(w, http.StatusOK, report)
	})
}

// newHTTPServer returns the server of handler, which Fx starts and stops.
func newHTTPServer(
	lc fx.Lifecycle, down fx.Shutdowner, s Server, handler http.Handler,
	tracers trace.TracerProvider, log *zap.Logger,
) *httpserver.Server {
	handler = api.KnownHosts(s.Hosts, handler)
	handler = telemetry.TraceRequests(tracers.Tracer(telemetry.Scope), handler)
	srv := httpserver.New(s.Addr, s.MaxConnections, handler, log, failedServer(down, log))
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if err := srv.Start(ctx); err != nil {
				return fmt.Errorf("server.addr (variable FETCHBOX__SERVER__ADDR): %w", err)
			}
			if !srv.OnLoopback() {
				log.Warn("other machines can reach the HTTP server, which has neither TLS nor a login",
					zap.String("address", srv.Addr()))
			}
			return nil
		},
		OnStop: func(ctx context.Context) error {
			// The hooks that run after this one need the rest of the time.
			ctx, cancel := context.WithTimeout(ctx, stopTimeout/3)
			defer cancel()
			return srv.Stop(ctx)
		},
	})
	return srv
}

// maxProbeConnections bounds the connections of the server of probes. Kubelets and Prometheus have few.
const maxProbeConnections = 32

// probeParams are the parameters of serveProbes.
type probeParams struct {
	fx.In
	Lifecycle fx.Lifecycle
	Down      fx.Shutdowner
	Server    Server
	Probes    *health.Handler
	Registry  *health.Registry
	Telemetry *telemetry.Telemetry
	Log       *zap.Logger
	Out       io.Writer
}

// serveProbes has Fx start and stop a server of probes and metrics, if one is configured.
func serveProbes(p probeParams) {
	if p.Server.ProbeAddr == "" {
		return
	}
	handler := api.KnownHosts(p.Server.Hosts, newProbeHandler(p.Probes, p.Registry, p.Telemetry))
	srv := httpserver.New(p.Server.ProbeAddr, maxProbeConnections, handler, p.Log, failedServer(p.Down, p.Log))
	p.Lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if err := srv.Start(ctx); err != nil {
				return fmt.Errorf("server.probe_addr (variable FETCHBOX__SERVER__PROBE_ADDR): %w", err)
			}
			fmt.Fprintf(p.Out, "Probes and metrics: %s\n", srv.URL())
			return nil
		},
		OnStop: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return srv.Stop(ctx)
		},
	})
}

// failedServer returns what stops the application when an HTTP server fails.
func failedServer(down fx.Shutdowner, log *zap.Logger) func(error) {
	return func(err error) {
		log.Error("HTTP server failed", zap.Error(err))
		_ = down.Shutdown(fx.ExitCode(1))
	}
}
