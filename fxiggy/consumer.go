package fxiggy

import (
	"fmt"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Consume provides a *consumer.Consumer[T] for a topic of the application, with the
// configuration section consumers.NAME. Its defaults are those of
// config.DefaultConsumer with the name as group. What the consumer gives up goes to
// the consumer.DeadLetters[T] that the application provides; without one it is
// logged, counted and passed over.
//
// The topic and the group are created when they are missing and topics.provision is on.
func Consume[T any](t topic.Topic[T], name string, opts ...Option) fx.Option {
	o := newOptions(opts)
	defaults := config.DefaultConsumer(name)
	if o.defaults != nil {
		defaults = *o.defaults
	}
	build := func(c *cluster, d consumer.DeadLetters[T]) (*consumer.Consumer[T], error) {
		return newConsumer(c, name, t, d)
	}
	return fx.Options(
		declare(declaration{cluster: o.cluster, consumer: name, defaults: defaults}),
		fx.Provide(fx.Annotate(build, fx.ParamTags(tag(o.cluster), optional(o.name)), fx.ResultTags(tag(o.name)))),
	)
}

func newConsumer[T any](c *cluster, name string, t topic.Topic[T], d consumer.DeadLetters[T]) (*consumer.Consumer[T], error) {
	cfg, ok := c.cfg.Consumers[name]
	if !ok {
		return nil, fmt.Errorf("fxiggy: the configuration%s has no section consumers.%s", c.suffix(), name)
	}
	opts := []consumer.Option{
		consumer.WithName(name), consumer.WithCluster(c.name), consumer.WithLogger(c.log),
		consumer.WithTracerProvider(c.tracers), consumer.WithMeterProvider(c.meters),
	}
	if d != nil {
		opts = append(opts, consumer.WithDeadLetters(d))
	}
	built, err := consumer.New(c.cfg.Iggy, cfg, t, opts...)
	if err != nil {
		return nil, err
	}
	if err := c.watch("consumer."+name, checkConsumer(c.name, built)); err != nil {
		return nil, err
	}
	c.need(admin.Of(t, admin.Groups(cfg)...))
	c.consume(built)
	return built, nil
}

// newTasks takes the publisher in any case, since tasks that fail for good
// always need a place, and the application's dead letters mostly use it.
func newTasks(c *cluster, t jobs.Topics, p *jobs.Publisher, d consumer.DeadLetters[*jobspb.DownloadTask]) (*consumer.Consumer[*jobspb.DownloadTask], error) {
	if d == nil {
		d = p
	}
	return newConsumer(c, "tasks", t.Tasks, d)
}

func newStatus(c *cluster, t jobs.Topics, d consumer.DeadLetters[*jobspb.JobStatus]) (*consumer.Consumer[*jobspb.JobStatus], error) {
	return newConsumer(c, "status", t.Status, d)
}

func newLogs(c *cluster, t jobs.Topics, d consumer.DeadLetters[*jobspb.JobLog]) (*consumer.Consumer[*jobspb.JobLog], error) {
	return newConsumer(c, "logs", t.Logs, d)
}

func newDeadLetters(c *cluster, t jobs.Topics, d consumer.DeadLetters[*jobspb.DeadLetterTask]) (*consumer.Consumer[*jobspb.DeadLetterTask], error) {
	return newConsumer(c, "dlq", t.DeadLetters, d)
}
