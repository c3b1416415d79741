package app

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/httpserver"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/ledger"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/overview"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/worker"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// modules is the application of a role. The HTTP server is built last, so it
// stops first: no job is accepted that could not be published any more.
func (s *settings) modules() fx.Option {
	parts := []fx.Option{
		fxiggy.Module,
		fxiggy.Config(s.config),
		// The resources of one job are fetched side by side, by all workers.
		fx.Decorate(func(t jobs.Topics) jobs.Topics { return t.KeyTasksBy(jobs.ByResource) }),
		fx.Provide(newReporter, (*telemetry.Telemetry).Meters, (*telemetry.Telemetry).Tracers),
		fx.Invoke(func(r *health.Registry, data *store.Store) error {
			return r.Register(health.Ping("store", func(context.Context) error { return data.Check() }))
		}),
	}
	if s.Role.is(RoleWorker) {
		parts = append(parts, workerModule)
	}
	if s.Role.is(RoleLedger) {
		parts = append(parts, ledgerModule)
	}
	if s.Role.is(RoleAPI) {
		parts = append(parts, fx.Provide(fx.Annotate(newAPI, fx.As(new(http.Handler)))))
	} else {
		parts = append(parts, fx.Provide(fx.Annotate(newProbes, fx.As(new(http.Handler)))))
	}
	return fx.Options(append(parts, fx.Supply(s.server), fx.Invoke(serve))...)
}

func newReporter(data *store.Store, p *jobs.Publisher) *progress.Reporter {
	return progress.New(data, func(ctx context.Context, status *jobspb.JobStatus) error {
		return p.PublishJobStatus(ctx, status)
	})
}

// workerParts is what a worker needs from Fx.
type workerParts struct {
	fx.In
	Downloader *download.Downloader
	Store      *store.Store
	Progress   *progress.Reporter
	Jobs       *jobs.Publisher
	Log        *zap.Logger
	Tracers    trace.TracerProvider
	Meters     metric.MeterProvider
}

func newWorker(p workerParts) (*worker.Worker, error) {
	return worker.New(worker.Parts{
		Downloader: p.Downloader, Store: p.Store, Progress: p.Progress, Publisher: p.Jobs,
		Log: p.Log, Tracers: p.Tracers, Meters: p.Meters,
	})
}

// workerModule does tasks. The Worker is also where failed tasks end.
var workerModule = fx.Module("worker",
	fx.Provide(fx.Annotate(
		newWorker, fx.As(fx.Self()), fx.As(new(consumer.DeadLetters[*jobspb.DownloadTask])),
	)),
	fx.Invoke(func(w *worker.Worker, tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
		return tasks.Handle(w.Download)
	}),
)

// ledgerModule keeps the states and the logs of all jobs.
var ledgerModule = fx.Module("ledger",
	fx.Provide(ledger.New),
	fx.Invoke(func(l *ledger.Ledger, status *consumer.Consumer[*jobspb.JobStatus], logs *consumer.Consumer[*jobspb.JobLog]) error {
		if err := status.Handle(l.Status); err != nil {
			return err
		}
		return logs.Handle(l.Log)
	}),
)

// apiParts is what the API needs from Fx.
type apiParts struct {
	fx.In
	Config   config.Config
	Server   Server
	Admin    *admin.Admin
	Store    *store.Store
	Progress *progress.Reporter
	Jobs     *jobs.Publisher
	Probes   *health.Handler
	Registry *health.Registry
	Observed *telemetry.Telemetry
	Log      *zap.Logger
}

func newAPI(p apiParts) *api.API {
	return api.New(api.Parts{
		Publisher: p.Jobs, Store: p.Store, Progress: p.Progress, PublishTimeout: p.Server.PublishTimeout, Log: p.Log.Named("api"),
		Topics: overview.New(p.Admin, p.Config.Cluster).Topics,
		Live:   p.Probes.Live(), Ready: p.Probes.Ready(), Components: components(p.Registry),
		Metrics: p.Observed.Metrics(),
	})
}

// newProbes is what processes without the API serve.
func newProbes(probes *health.Handler, registry *health.Registry, observed *telemetry.Telemetry) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", observed.Metrics())
	probes.Register(mux)
	mux.Handle("GET /operators/health", components(registry))
	return mux
}

// components shows the state of each component.
func components(r *health.Registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		api.WriteJSON(w, http.StatusOK, r.Check(request.Context()))
	})
}

func serve(lc fx.Lifecycle, down fx.Shutdowner, s Server, handler http.Handler, tracers trace.TracerProvider, g greeting, log *zap.Logger) {
	handler = telemetry.Requests(tracers.Tracer(telemetry.Scope), handler)
	srv := httpserver.New(s.Addr, handler, log, func(err error) {
		log.Error("the HTTP server failed", zap.Error(err))
		_ = down.Shutdown(fx.ExitCode(1))
	})
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if err := srv.Start(ctx); err != nil {
				return err
			}
			fmt.Fprintf(g, "FetchBox listens on http://%s\n", srv.Addr())
			return nil
		},
		OnStop: func(ctx context.Context) error {
			// A part of the time: what is behind needs more.
			ctx, cancel := context.WithTimeout(ctx, stopTimeout/3)
			defer cancel()
			return srv.Stop(ctx)
		},
	})
}
