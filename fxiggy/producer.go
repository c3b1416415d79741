package fxiggy

import (
	"fmt"
	"strings"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Producer sets options of the producer of a cluster, which its publishers share, for what the
// configuration can't say:
//
//	fxiggy.Producer(fxiggy.With(producer.WithPartitioner(byRegion)), fxiggy.On("eu"))
func Producer(opts ...Option) fx.Option {
	o, err := newOptions(forProducer, opts)
	if err != nil {
		return fx.Error(fmt.Errorf("fxiggy: producer: %w", err))
	}
	return declare(declaration{cluster: o.cluster, producer: o.producer})
}

// newSharedProducer returns the producer of a cluster.
func newSharedProducer(c *cluster, group []orderedMiddleware[producer.Middleware]) (*producer.Producer, error) {
	return c.newProducer("producer", group, c.producerOptions[c.name])
}

// newProducer returns a producer with that name in health reports.
func (c *cluster) newProducer(name string, group []orderedMiddleware[producer.Middleware], opts []producer.Option) (*producer.Producer, error) {
	middleware, err := inOrder(c.qualified(name), group)
	if err != nil {
		return nil, err
	}
	all := []producer.Option{
		producer.Use(middleware...),
		producer.WithName(strings.TrimPrefix(name, "producer.")), producer.WithCluster(c.name),
		producer.WithLogger(c.log), producer.WithTracerProvider(c.tracers), producer.WithMeterProvider(c.meters),
	}
	if c.provisioner != nil {
		all = append(all, producer.OnMissingTopic(c.provisioner.restore))
	}
	p, err := producer.New(c.cfg.Iggy, c.cfg.Producer, append(all, opts...)...)
	if err != nil {
		return nil, err
	}
	if err := c.addCheck(name, checkProducer(c.name, p)); err != nil {
		return nil, err
	}
	c.addProducer(p)
	return p, nil
}

// Publish provides a *producer.Publisher[T] for a topic, with the configuration section
// topics.SECTION (see topic.Section), whose defaults are the settings of t. It sends through the
// cluster's producer. With options of a producer (With), it has a producer of its own, which has the
// same configuration and the name of the topic's section, or that of As.
//
// A topic.Topic[T] that the application provides replaces t as in Consume. A second publisher of the same
// T needs As. The topic is created when it is missing and topics.provision is on.
func Publish[T any](t topic.Topic[T], opts ...Option) fx.Option {
	o, err := newOptions(forPublish, opts)
	if err != nil {
		return fx.Error(fmt.Errorf("fxiggy: publish %s: %w", t, err))
	}
	publisher := func(c *cluster, p *producer.Producer, provided topic.Topic[T]) *producer.Publisher[T] {
		t := configured(c, t, provided)
		c.requireTopic(admin.Of(t))
		return producer.For(p, t)
	}
	on, provided := tag(o.cluster), optional(o.name)
	var build any
	if len(o.producer) == 0 {
		build = fx.Annotate(publisher, fx.ParamTags(on, on, provided), fx.ResultTags(tag(o.name)))
	} else {
		own := "producer." + t.Section()
		if o.named && o.name != "" {
			own = "producer." + o.name
		}
		build = fx.Annotate(func(c *cluster, provided topic.Topic[T], group []orderedMiddleware[producer.Middleware]) (*producer.Publisher[T], error) {
			p, err := c.newProducer(own, group, o.producer)
			if err != nil {
				return nil, err
			}
			return publisher(c, p, provided), nil
		}, fx.ParamTags(on, provided, middlewareGroup), fx.ResultTags(tag(o.name)))
	}
	return fx.Options(declareTopic(o.cluster, t), fx.Provide(build))
}
