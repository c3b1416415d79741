package fxiggy_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"go.uber.org/fx"
	"golang.org/x/time/rate"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// exampleServer is a server for an example, and the options that configure an application for it.
func exampleServer() (*embedded.Server, fx.Option) {
	srv, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	yaml := fmt.Sprintf("iggy: {endpoint: 'iggy://%s', client_id: iggy, client_secret: iggy}", srv.Address())
	return srv, fx.Options(quiet, fxiggy.ConfigOptions(config.WithYAML("example.yaml", []byte(yaml)), config.WithEnviron(nil)))
}

func stopServer(srv *embedded.Server) { _ = srv.Stop(context.Background()) }

// An API publishes a task, and a worker in the same application handles it.
func Example() {
	srv, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer stopServer(srv)
	yaml := fmt.Sprintf("iggy: {endpoint: 'iggy://%s', client_id: iggy, client_secret: iggy}", srv.Address())

	var publisher *jobs.Publisher
	done := make(chan string)
	app := fx.New(
		fx.NopLogger,
		fxiggy.Module,
		fxiggy.ConfigOptions(config.WithYAML("example.yaml", []byte(yaml)), config.WithEnviron(nil)),
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
			return tasks.Handle(func(_ context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
				done <- m.Value.GetUrl()
				return nil
			})
		}),
		fx.Populate(&publisher),
	)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = publisher.PublishDownloadTask(ctx, &jobspb.DownloadTask{JobId: "job-1", ResourceId: "logo", Url: "https://example.com/logo.png"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-done)
	if err := app.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: https://example.com/logo.png
}

// Invoice is a message of another application.
type Invoice struct {
	Number   string `json:"number"`
	Customer string `json:"customer"`
}

// Invoices is the topic of these messages: its place, codec, key and settings.
var Invoices = topic.New("shop", "invoices", topic.JSON[Invoice](),
	topic.Key(func(i Invoice) string { return i.Customer }),
	topic.WithSettings[Invoice](topic.Settings{Partitions: 2}))

// Consume and Publish are for topics of the application.
func ExampleConsume() {
	srv, configured := exampleServer()
	defer stopServer(srv)
	var publisher *producer.Publisher[Invoice]
	done := make(chan string)
	app := fx.New(configured, fxiggy.Core,
		fxiggy.Consume(Invoices, "billing"), // consumers.billing and topics.invoices in the configuration
		fxiggy.Publish(Invoices),
		fx.Invoke(func(c *consumer.Consumer[Invoice]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[Invoice]) error {
				done <- m.Value.Number
				return nil
			})
		}),
		fx.Populate(&publisher),
	)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := publisher.Publish(ctx, Invoice{Number: "2026-17", Customer: "acme"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-done)
	if err := app.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: 2026-17
}

// audit is a component that middleware needs.
type audit struct{}

// newAudit returns middleware that writes the invoices that were handled to the audit log.
func newAudit(*audit) consumer.Middleware[Invoice] {
	return func(next consumer.Handler[Invoice]) consumer.Handler[Invoice] {
		return func(ctx context.Context, m *consumer.Message[Invoice]) error {
			err := next(ctx, m)
			fmt.Println("audit:", m.Value.Number, err)
			return err
		}
	}
}

// Middleware is called in the order that it states, wherever it is listed.
func ExampleDeadLetters() {
	srv, configured := exampleServer()
	defer stopServer(srv)
	var publisher *producer.Publisher[Invoice]
	failed := make(chan string, 1)
	app := fx.New(configured, fxiggy.Core,
		fxiggy.Consume(Invoices, "billing", fxiggy.DeadLetters()), // shop/invoices.billing.dlq
		fxiggy.Publish(Invoices),
		fx.Invoke(func(c *consumer.Consumer[Invoice]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[Invoice]) error {
				failed <- m.Value.Number
				return consumer.Permanent(errors.New("no such customer"))
			})
		}),
		fx.Populate(&publisher),
	)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := publisher.Publish(ctx, Invoice{Number: "2026-17", Customer: "acme"}); err != nil {
		log.Fatal(err)
	}
	<-failed
	if err := app.Stop(ctx); err != nil { // it waits for the dead letter
		log.Fatal(err)
	}
	stored, err := srv.Messages("shop", "invoices.billing.dlq", 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", stored[0].Payload)
	// Output: {"number":"2026-17","customer":"acme"}
}

func ExampleConsumerMiddleware() {
	srv, configured := exampleServer()
	defer stopServer(srv)
	var publisher *producer.Publisher[Invoice]
	done := make(chan string, 1)
	app := fx.New(configured, fxiggy.Core,
		fxiggy.Publish(Invoices),
		fxiggy.Consume(Invoices, "billing"),
		fxiggy.ConsumerMiddleware[Invoice](10, consumer.RateLimit[Invoice](rate.NewLimiter(100, 1))),
		fxiggy.ConsumerMiddleware[Invoice](20, newAudit), // a constructor, with what Fx provides
		fx.Provide(func() *audit { return &audit{} }),
		fx.Invoke(func(c *consumer.Consumer[Invoice]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[Invoice]) error {
				done <- m.Value.Number
				return nil
			})
		}),
		fx.Populate(&publisher),
	)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := publisher.Publish(ctx, Invoice{Number: "2026-17", Customer: "acme"}); err != nil {
		log.Fatal(err)
	}
	<-done
	if err := app.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: audit: 2026-17 <nil>
}

// HTTPConfig is a section of the application.
type HTTPConfig struct {
	Addr string `yaml:"addr"`
}

// A standalone consumer with a hook, and a section of the application's own.
func ExampleWith() {
	srv, configured := exampleServer()
	defer stopServer(srv)
	var publisher *producer.Publisher[Invoice]
	assigned, done := make(chan struct{}), make(chan string)
	app := fx.New(configured, fxiggy.Core,
		fxiggy.Section("http", HTTPConfig{Addr: ":8080"}),
		fxiggy.Publish(Invoices),
		// Every instance reads all invoices from the first one on, and belongs to no group.
		fxiggy.Consume(Invoices, "view", fxiggy.With(
			consumer.WithStandalone(consumer.Standalone{Start: consumer.First()}),
			consumer.OnAssigned(func(context.Context, []uint32) { close(assigned) }),
		)),
		fx.Invoke(func(c *consumer.Consumer[Invoice], http HTTPConfig) error {
			fmt.Println("listening on", http.Addr)
			return c.Handle(func(_ context.Context, m *consumer.Message[Invoice]) error {
				done <- m.Value.Number
				return nil
			})
		}),
		fx.Populate(&publisher),
	)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	<-assigned
	if _, err := publisher.Publish(ctx, Invoice{Number: "2026-17", Customer: "acme"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-done)
	if err := app.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// listening on :8080
	// 2026-17
}

// Another cluster, configured under clusters.eu.
func ExampleNamed() {
	srv, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer stopServer(srv)
	yaml := fmt.Sprintf(`
iggy: {endpoint: "iggy://%[1]s", client_id: iggy, client_secret: iggy}
clusters:
  eu:
    iggy: {endpoint: "iggy://%[1]s", client_id: iggy, client_secret: iggy}
    topics: {status: {stream: europe}}
`, srv.Address())
	type clusters struct {
		fx.In
		Home   *jobs.Publisher
		Europe *jobs.Publisher `name:"eu"`
	}
	app := fx.New(fx.NopLogger, fxiggy.Module, fxiggy.Named("eu"),
		fxiggy.ConfigOptions(config.WithYAML("example.yaml", []byte(yaml)), config.WithEnviron(nil)),
		fx.Invoke(func(lc fx.Lifecycle, to clusters) {
			status := &jobspb.JobStatus{JobId: "job-1", State: jobspb.JobState_JOB_STATE_QUEUED}
			for _, cluster := range []*jobs.Publisher{to.Home, to.Europe} {
				lc.Append(fx.StartHook(func(ctx context.Context) error {
					_, err := cluster.PublishJobStatus(ctx, status)
					return err
				}))
			}
		}),
	)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if err := app.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	for _, stream := range []string{"fetchbox", "europe"} {
		n := 0
		for partition := range uint32(4) {
			messages, err := srv.Messages(stream, "jobs.status", partition)
			if err != nil {
				log.Fatal(err)
			}
			n += len(messages)
		}
		fmt.Println(stream, n)
	}
	// Output:
	// fetchbox 1
	// europe 1
}

// An iteration in place of a handler.
func ExampleBackground() {
	srv, configured := exampleServer()
	defer stopServer(srv)
	var publisher *jobs.Publisher
	done := make(chan string)
	app := fx.New(configured, fxiggy.Module, fx.Populate(&publisher),
		fx.Invoke(func(bg *fxiggy.Background, tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
			return bg.Go("tasks", func(ctx context.Context) error {
				for m, err := range tasks.Messages(ctx) {
					if err != nil {
						return err
					}
					done <- m.Value.GetResourceId()
					m.Ack()
				}
				return nil
			})
		}),
	)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := publisher.PublishDownloadTask(ctx, task("logo")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-done)
	if err := app.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: logo
}
