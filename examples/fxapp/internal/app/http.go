package app

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/httpserver"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/health"
)

// newProbeHandler returns the handler of processes without the API: metrics and health.
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
	srv := httpserver.New(s.Addr, s.MaxConnections, handler, log, func(err error) {
		log.Error("HTTP server failed", zap.Error(err))
		_ = down.Shutdown(fx.ExitCode(1))
	})
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
