// Package fxiggy wires the library into Uber Fx applications. It only wires: everything that it
// provides works without Fx, too.
//
//	var Orders = topic.New("shop", "orders", topic.JSON[Order]())
//
//	fx.New(
//		fxiggy.Core,
//		fxiggy.Prefix("SHOP"),
//		fxiggy.ConfigFile("shop.yaml"),
//		fxiggy.Section("http", HTTPConfig{Addr: ":8080"}),
//		fxiggy.Publish(Orders),
//		fxiggy.Consume(Orders, "billing"),
//		fx.Provide(NewBilling),
//		fx.Invoke(func(b *Billing, orders *consumer.Consumer[Order]) error {
//			return orders.Handle(b.Charge)
//		}),
//	).Run()
//
// # Provided values
//
// Core provides the following, each built only when something asks for it:
//
//   - config.Config, loaded from the file and the environment,
//   - *producer.Producer,
//   - *admin.Admin,
//   - *health.Registry and *health.Handler,
//   - *Background, for the application's own loops.
//
// Consume and Publish provide a *consumer.Consumer[T] and a *producer.Publisher[T] for a topic, and
// Section a section of the configuration. Cluster does what Core does for another cluster, under its
// name. Module and Named are Core and Cluster with FetchBox's topics: a *jobs.Publisher, the
// consumers of the four types of messages, and jobs.Topics, which an fx.Decorate may change.
//
// # Optional dependencies
//
// Core uses a *zap.Logger, a trace.TracerProvider and a metric.MeterProvider if the application
// provides them. A consumer of T uses a consumer.DeadLetters[T] and a topic.Topic[T] if the application
// provides them. ConsumerMiddleware and ProducerMiddleware provide middleware; a number sets its order.
// Logger is for fx.WithLogger: with it, Fx logs only failures.
//
// # Start and stop
//
// At start, missing topics and groups are created (topics.provision), then the producers connect,
// then each consumer connects. All of this waits for the server of a cluster for iggy.start_timeout
// in total, or not at all with iggy.start: background. What goes missing later is created again. At
// stop, all consumers stop polling at once, finish the messages in flight at the same time, commit
// and leave their groups; then the producers are flushed and the connections close.
//
// A consumer's hooks are appended when it gets its handler, by Handle or HandleBatch, and those of
// a loop by Background.Go. So everything that is built by then, in whatever order, starts before
// the handler is called and stops after it has returned: the application's database, an HTTP
// client, the dead letters. So do all producers, also those that are built later. Set handlers
// while the application is built, in a constructor or an fx.Invoke, and after what they use was
// built.
//
// A handler may also be set later, in an OnStart hook or while the application runs. The consumer
// starts where it was built and calls the handler from then on. It stops with the first component
// of this package that stops: components of the application that were built after all of those may
// stop before the handler has returned, and a warning says so. Background.Go then returns an error.
//
// List Core before the modules of the application. A consumer that gets its handler in an OnStart hook
// that runs before those of Core never starts, nor does a loop that is added there: this package can't
// distinguish such a hook from the construction. The health check says so.
//
// A consumer without a handler, whose messages are taken by Next or Messages, starts and stops
// where it was built. Take them in a loop of Background, or in a goroutine that a hook of the
// application stops and waits for.
//
// Fx's limits for start and stop (15 s each) cover the hooks of the whole application. Each hook of
// this package leaves time for those that come after it, and returns an error with counts for what
// it could not finish in time. A start that fails releases what was started. Cause makes the errors
// of Fx readable.
package fxiggy
