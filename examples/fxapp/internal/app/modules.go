package app

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/admission"
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

// module returns the Fx module of the configured role. Fx builds the HTTP server last and stops it
// first, so that no job is accepted that could not be published.
func (s *settings) module() fx.Option {
	opts := []fx.Option{
		fx.Supply(s.server),
		// Their server is built first: it starts before anything connects, and stops after everything has
		// finished. Fx calls the functions of modules before those outside of modules.
		fx.Module("probes", fx.Invoke(serveProbes)),
		fxiggy.Module,
		fxiggy.Config(s.config),
		// All workers download the resources of one job in parallel.
		fx.Decorate(func(t jobs.Topics) jobs.Topics { return t.KeyTasksBy(jobs.ByResource) }),
		fx.Provide(newReporter, (*telemetry.Telemetry).MeterProvider,
			(*telemetry.Telemetry).TracerProvider),
		fx.Invoke(func(r *health.Registry, data *store.Store) error {
			return r.Register(health.Ping("store", func(context.Context) error { return data.Check() }))
		}),
	}
	if s.Role.includes(RoleWorker) {
		opts = append(opts, fx.Supply(admission.New(s.download.Admission())), workerModule)
	}
	if s.Role.includes(RoleLedger) {
		opts = append(opts, ledgerModule)
	}
	if s.Role.includes(RoleAPI) {
		opts = append(opts, fx.Provide(fx.Annotate(newAPI, fx.As(new(http.Handler)))))
	} else {
		opts = append(opts, fx.Provide(fx.Annotate(newProbeHandler, fx.As(new(http.Handler)))))
	}
	return fx.Options(append(opts, fx.Provide(newHTTPServer),
		fx.Invoke(func(*httpserver.Server) {}))...)
}

func newReporter(data *store.Store, p *jobs.Publisher) *progress.Reporter {
	return progress.New(data, func(ctx context.Context, status *jobspb.JobStatus) error {
		_, err := p.PublishJobStatus(ctx, status)
		return err
	})
}

// workerParams are the parameters of newWorker.
type workerParams struct {
	fx.In
	Downloader *download.Downloader
	Admission  *admission.Admission
	Store      *store.Store
	Progress   *progress.Reporter
	Jobs       *jobs.Publisher
	Log        *zap.Logger
	Tracers    trace.TracerProvider
	Meters     metric.MeterProvider
}

func newWorker(p workerParams) (*worker.Worker, error) {
	return worker.New(worker.Params{
		Downloader: p.Downloader, Admission: p.Admission, Store: p.Store, Progress: p.Progress, Publisher: p.Jobs,
		Log: p.Log, Tracers: p.Tracers, Meters: p.Meters,
	})
}

// workerModule processes tasks. The Worker also handles the dead letters of tasks.
var workerModule = fx.Module("worker",
	fx.Provide(fx.Annotate(
		newWorker, fx.As(fx.Self()), fx.As(new(consumer.DeadLetters[*jobspb.DownloadTask])),
	)),
	fx.Invoke(func(w *worker.Worker, tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
		return tasks.Handle(w.Download)
	}),
)

// ledgerModule stores the states and the logs of all jobs.
var ledgerModule = fx.Module("ledger",
	fx.Provide(ledger.New),
	fx.Invoke(func(
		l *ledger.Ledger,
		status *consumer.Consumer[*jobspb.JobStatus],
		logs *consumer.Consumer[*jobspb.JobLog],
	) error {
		if err := status.Handle(l.Status); err != nil {
			return err
		}
		return logs.Handle(l.Log)
	}),
)

// apiParams are the parameters of newAPI.
type apiParams struct {
	fx.In
	Config    config.Config
	Server    Server
	Admin     *admin.Admin
	Store     *store.Store
	Progress  *progress.Reporter
	Jobs      *jobs.Publisher
	Probes    *health.Handler
	Registry  *health.Registry
	Telemetry *telemetry.Telemetry
	Log       *zap.Logger
}

func newAPI(p apiParams) *api.API {
	return api.New(api.Params{
		Publisher: p.Jobs, Store: p.Store, Progress: p.Progress,
		PublishTimeout: p.Server.PublishTimeout, MaxStreams: p.Server.MaxStreams, Log: p.Log.Named("api"),
		DeadLetters: func(ctx context.Context, jobID string) ([]api.DeadLetter, int, error) {
			return jobDeadLetters(ctx, p.Config.Cluster, jobID)
		},
		Replay: func(ctx context.Context, jobID string) (api.Replayed, error) {
			return replayJob(ctx, p.Config.Cluster, jobID)
		},
		Topics: overview.New(p.Admin, p.Config.Cluster).Topics,
		Live:   p.Probes.Live(), Ready: p.Probes.Ready(), Components: componentsHandler(p.Registry),
		Metrics: p.Telemetry.MetricsHandler(),
	})
}
