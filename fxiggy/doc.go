// Package fxiggy wires the library into Uber Fx applications. It only wires: everything that it
// provides works without Fx, too.
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
// # Provided values
//
// Module provides the following, each built only when something asks for it:
//
//   - config.Config, loaded from the file and the environment,
//   - *producer.Producer, and *jobs.Publisher, which sends through it,
//   - jobs.Topics, which an fx.Decorate may change,
//   - *consumer.Consumer[T] for *jobspb.DownloadTask, JobStatus, JobLog and DeadLetterTask,
//   - *admin.Admin,
//   - *health.Registry and *health.Handler,
//   - *Background, for the application's own loops.
//
// Named does the same for another cluster, under its name. Consume and Publish are for topics of
// the application.
//
// # Optional dependencies
//
// Module uses a *zap.Logger, a trace.TracerProvider, a metric.MeterProvider and a
// consumer.DeadLetters[T] for each consumer of T, if the application provides them. The dead letters
// of download tasks go to the *jobs.Publisher by default.
//
// # Start and stop
//
// At start, missing topics and groups are created (topics.provision), then the producer and each
// consumer connect. At stop, all consumers stop polling at once, finish the messages in flight
// at the same time, commit and leave their groups; then the producer is flushed and the
// connections close. Hooks are appended when components are built. So what a component depends
// on stops after it: a constructor that takes the consumer and appends a hook of its own
// is stopped before the consumer.
//
// Fx's limits for start and stop (15 s each) cover the hooks of the whole application. Each hook of
// this package leaves time for those that come after it, and returns an error with counts for
// what it could not finish in time. A start that fails releases what was started.
package fxiggy
