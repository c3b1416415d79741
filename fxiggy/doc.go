// Package fxiggy wires the library into Uber Fx applications. It holds no logic:
// everything that it provides works without Fx, too.
//
//	fx.New(
//		fxiggy.Module,
//		fxiggy.ConfigFile("fetchbox.yaml"),
//		fx.Provide(NewDownloader),
//		fx.Invoke(func(d *Downloader, tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
//			return tasks.Handle(d.Download)
//		}),
//	).Run()
//
// # What it provides
//
// Module provides, each built only when something asks for it:
//
//   - config.Config, loaded from the file and the environment,
//   - *producer.Producer, and *jobs.Publisher, which sends through it,
//   - jobs.Topics, which an fx.Decorate may change,
//   - *consumer.Consumer[*jobspb.DownloadTask], of JobStatus, JobLog and DeadLetterTask,
//   - *admin.Admin,
//   - *health.Registry and *health.Handler,
//   - *Background, for the application's own loops.
//
// Named does the same for a further cluster, under its name; Consume and Publish
// are for topics of the application.
//
// # What it takes
//
// A *zap.Logger, a trace.TracerProvider and a metric.MeterProvider, if they are there,
// and a consumer.DeadLetters[T] for what a consumer of T gives up. For download tasks
// that is the *jobs.Publisher, unless the application provides another.
//
// # Start and stop
//
// At start what is missing on the server is created (topics.provision), the producer
// connects, and each consumer does. At stop all consumers stop polling at once, finish
// what is in hand side by side, commit and leave their groups; then the producer is
// flushed, and the connections close. The hooks are appended when the components are
// built, so that whatever a component depends on stops after it: a constructor
// that takes the consumer and appends a hook of its own is stopped before the consumer.
//
// Fx's limits for start and stop (15 s each) cover the hooks of the whole
// application. Each hook here leaves time for those that come after it, and
// returns before the limit what it could not finish, with counts. A start that fails releases
// what was started.
package fxiggy
