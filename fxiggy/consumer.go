package fxiggy

import (
	"errors"
	"fmt"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Consume provides a *consumer.Consumer[T] for a topic, with the configuration sections
// consumers.NAME and topics.SECTION (see topic.Section). The defaults of the first are
// config.DefaultConsumer with the name as group, those of the second are the settings of t.
//
// Dead letters go to the consumer.DeadLetters[T] that the application provides, or where an option
// says; without either, a message that would become a dead letter is logged, counted and skipped.
// With another key function or codec, which only a constructor can make, the application provides a
// topic.Topic[T]: one with the same section replaces t. Its place and settings are configured like
// those of t.
//
// A second consumer of the same T, such as another group of the topic, needs As: without it, Fx reports
// that *consumer.Consumer[T] is already provided.
//
// The topic and the group are created when they are missing and topics.provision is on.
func Consume[T any](t topic.Topic[T], name string, opts ...Option) fx.Option {
	o, err := newOptions(forConsume, opts)
	if err != nil {
		return fx.Error(fmt.Errorf("fxiggy: consume %s: %w", t, err))
	}
	defaults := config.DefaultConsumer(name)
	if o.defaults != nil {
		defaults = *o.defaults
	}
	build := func(
		c *cluster, d consumer.DeadLetters[T], s defaultSink, provided topic.Topic[T], group []orderedMiddleware[consumer.Middleware[T]], p *producer.Producer,
	) (*consumer.Consumer[T], error) {
		middleware, err := inOrder("consumer "+c.qualified(name), group)
		if err != nil {
			return nil, err
		}
		if d, err = deadLettersOf(d, s); err != nil {
			return nil, fmt.Errorf("fxiggy: consumer %s: %w", c.qualified(name), err)
		}
		return newConsumer(c, name, configured(c, t, provided), d, middleware, p, o)
	}
	sends := optional(nobody)
	if o.letters || o.parking {
		sends = tag(o.cluster)
	}
	as := "iggy.deadletters." + telemetry.QualifiedName(o.cluster, name)
	all := []fx.Option{
		declareTopic(o.cluster, t),
		declare(declaration{
			cluster: o.cluster, consumer: &declaredConsumer{name, defaults}, sinks: []sinkKey{sinkKeyOf[T](o.cluster, name, o.name)},
		}),
		fx.Provide(fx.Annotate(build, fx.ParamTags(tag(o.cluster), optional(o.name), optional(as), optional(o.name), middlewareGroup, sends), fx.ResultTags(tag(o.name)))),
	}
	if o.sink != nil {
		all = append(all, o.sink(o.name, as))
	}
	return fx.Options(all...)
}

// nobody is the name of values that nobody provides: a consumer that sends nothing needs no producer.
const nobody = "iggy.none"

// newConsumer makes a consumer. p is for what its options have it write.
func newConsumer[T any](
	c *cluster, name string, t topic.Topic[T], d consumer.DeadLetters[T], middleware []consumer.Middleware[T], p *producer.Producer, o options,
) (*consumer.Consumer[T], error) {
	cfg, ok := c.cfg.Consumers[name]
	if !ok {
		return nil, fmt.Errorf("fxiggy: the configuration%s has no section consumers.%s", c.suffix(), name)
	}
	letters := "" // the topic of the dead letters
	if d == nil && o.letters {
		given, err := requireGroupTopic(c, t, "dead_letters", nil, func() topic.Topic[deadletter.Letter] { return deadletter.TopicOf(t, cfg) })
		if err != nil {
			return nil, fmt.Errorf("fxiggy: consumer %s: %w", c.qualified(name), err)
		}
		letters = given.String()
		if err := c.addDeadLetters(t.String(), letters); err != nil {
			return nil, fmt.Errorf("fxiggy: consumer %s: dead_letters.name: %w", c.qualified(name), err)
		}
		d = deadletter.New[T](p, given)
	}
	if o.parking && cfg.ParkAfter > 0 {
		parked, err := requireGroupTopic(c, t, "parked", cfg.Groups(), func() topic.Topic[[]byte] { return consumer.ParkedTopic(t, cfg) })
		if err != nil {
			return nil, fmt.Errorf("fxiggy: consumer %s: %w", c.qualified(name), err)
		}
		// What the consumer does not know among the parked messages is one more message to it.
		if letters != "" {
			if err := c.addDeadLetters(parked.String(), letters); err != nil {
				return nil, fmt.Errorf("fxiggy: consumer %s: parked.name: %w", c.qualified(name), err)
			}
		}
	}
	hooks := &consumerHooks{cluster: c, name: c.qualified(name)}
	opts := []consumer.Option{
		consumer.OnHandler(hooks.onHandler), consumer.WaitForProvisioning(),
		consumer.WithName(name), consumer.WithCluster(c.name), consumer.WithLogger(c.log),
		consumer.WithTracerProvider(c.tracers), consumer.WithMeterProvider(c.meters),
	}
	if o.parking {
		opts = append(opts, consumer.WithParking(p))
	}
	built, err := consumer.New(c.cfg.Iggy, cfg, t, append(opts, o.consumer...)...)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(built.SetDeadLetters(d), built.Use(middleware...)); err != nil {
		return nil, err
	}
	hooks.consumer, hooks.deadLetters = built, d
	hooks.workload = newWorkload(built.Stop)
	hooks.workload.consumer = true
	if err := c.addCheck("consumer."+name, checkConsumer(c.name, hooks, built)); err != nil {
		return nil, err
	}
	c.requireTopic(admin.Of(t, built.Groups()...))
	c.consumers = append(c.consumers, built.Status)
	c.addConsumer(hooks)
	return built, nil
}
