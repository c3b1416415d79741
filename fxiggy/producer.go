package fxiggy

import (
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func newProducer(c *cluster) (*producer.Producer, error) {
	opts := append(jobs.Compression(c.cfg.Topics),
		producer.WithCluster(c.name), producer.WithLogger(c.log), producer.WithTracerProvider(c.tracers), producer.WithMeterProvider(c.meters))
	p, err := producer.New(c.cfg.Iggy, c.cfg.Producer, opts...)
	if err != nil {
		return nil, err
	}
	if err := c.watch("producer", checkProducer(c.name, p)); err != nil {
		return nil, err
	}
	c.run(p)
	return p, nil
}

func newTopics(c *cluster) jobs.Topics { return jobs.FromConfig(c.cfg.Topics) }

func newPublisher(c *cluster, p *producer.Producer, t jobs.Topics) *jobs.Publisher {
	for _, spec := range []admin.TopicSpec{admin.Of(t.Tasks), admin.Of(t.Status), admin.Of(t.Logs), admin.Of(t.DeadLetters)} {
		c.need(spec)
	}
	return jobs.NewPublisher(p, t)
}

// Publish provides a *producer.Publisher[T] for a topic of the application,
// which sends through the cluster's producer. The topic is created with its
// settings when it is missing and topics.provision is on.
func Publish[T any](t topic.Topic[T], opts ...Option) fx.Option {
	o := newOptions(opts)
	build := func(c *cluster, p *producer.Producer) *producer.Publisher[T] {
		c.need(admin.Of(t))
		return producer.For(p, t)
	}
	return fx.Provide(fx.Annotate(build, fx.ParamTags(tag(o.cluster), tag(o.cluster)), fx.ResultTags(tag(o.name))))
}
