package fxiggy

import (
	"fmt"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func newProducer(c *cluster) (*producer.Producer, error) {
	opts := []producer.Option{
		producer.WithCluster(c.name), producer.WithLogger(c.log), producer.WithTracerProvider(c.tracers), producer.WithMeterProvider(c.meters),
	}
	if c.provisioner != nil {
		opts = append(opts, producer.OnMissingTopic(c.provisioner.restore))
	}
	p, err := producer.New(c.cfg.Iggy, c.cfg.Producer, opts...)
	if err != nil {
		return nil, err
	}
	if err := c.addCheck("producer", checkProducer(c.name, p)); err != nil {
		return nil, err
	}
	c.addProducer(p)
	return p, nil
}

// Publish provides a *producer.Publisher[T] for a topic of the application, which sends through the
// cluster's producer. The topic is created when it is missing and topics.provision is on.
func Publish[T any](t topic.Topic[T], opts ...Option) fx.Option {
	o, err := newOptions(opts)
	if err != nil {
		return fx.Error(fmt.Errorf("fxiggy: publish %s: %w", t, err))
	}
	build := func(c *cluster, p *producer.Producer) *producer.Publisher[T] {
		c.requireTopic(admin.Of(t))
		return producer.For(p, t)
	}
	return fx.Provide(fx.Annotate(build, fx.ParamTags(tag(o.cluster), tag(o.cluster)), fx.ResultTags(tag(o.name))))
}
