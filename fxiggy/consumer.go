package fxiggy

import (
	"fmt"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Consume provides a *consumer.Consumer[T] for a topic of the application, with the configuration
// section consumers.NAME. The defaults of the section are config.DefaultConsumer with the name as
// group. Dead letters go to the consumer.DeadLetters[T] that the application provides; without one,
// a message that would become a dead letter is logged, counted and skipped.
//
// The topic and the group are created when they are missing and topics.provision is on.
func Consume[T any](t topic.Topic[T], name string, opts ...Option) fx.Option {
	o, err := newOptions(opts)
	if err != nil {
		return fx.Error(fmt.Errorf("fxiggy: consume %s: %w", t, err))
	}
	defaults := config.DefaultConsumer(name)
	if o.defaults != nil {
		defaults = *o.defaults
	}
	build := func(c *cluster, d consumer.DeadLetters[T]) (*consumer.Consumer[T], error) {
		return newConsumer(c, name, t, d)
	}
	return fx.Options(
		declare(declaration{cluster: o.cluster, consumer: name, defaults: defaults, sinks: []sink{sinkOf[T](o.cluster, name, o.name)}}),
		fx.Provide(fx.Annotate(build, fx.ParamTags(tag(o.cluster), optional(o.name)), fx.ResultTags(tag(o.name)))),
	)
}

func newConsumer[T any](c *cluster, name string, t topic.Topic[T], d consumer.DeadLetters[T]) (*consumer.Consumer[T], error) {
	cfg, ok := c.cfg.Consumers[name]
	if !ok {
		return nil, fmt.Errorf("fxiggy: the configuration%s has no section consumers.%s", c.suffix(), name)
	}
	hooks := &consumerHooks{cluster: c, name: c.component(name)}
	built, err := consumer.New(c.cfg.Iggy, cfg, t, consumer.OnHandler(hooks.onHandler),
		consumer.WithName(name), consumer.WithCluster(c.name), consumer.WithLogger(c.log),
		consumer.WithTracerProvider(c.tracers), consumer.WithMeterProvider(c.meters))
	if err != nil {
		return nil, err
	}
	if err := built.SetDeadLetters(d); err != nil {
		return nil, err
	}
	hooks.consumer, hooks.deadLetters = built, d
	hooks.workload = newWorkload(built.Stop)
	hooks.workload.consumer = true
	if err := c.addCheck("consumer."+name, checkConsumer(c.name, hooks, built)); err != nil {
		return nil, err
	}
	c.requireTopic(admin.Of(t, admin.Groups(cfg)...))
	c.consumers = append(c.consumers, built.Status)
	c.addConsumer(hooks)
	return built, nil
}
