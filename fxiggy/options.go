package fxiggy

import (
	"errors"
	"fmt"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// Option is an option of Consume, Publish and Producer.
type Option func(*options)

type options struct {
	cluster  string
	name     string // of the provided value
	named    bool   // by As
	defaults *config.Consumer
	consumer []consumer.Option
	producer []producer.Option
	sink     func(name, as string) fx.Option
	faults   []error
	letters  bool // by DeadLetters
	parking  bool
}

// user is what takes options.
type user uint8

const (
	forConsume user = iota
	forPublish
	forProducer
)

func newOptions(by user, opts []Option) (options, error) {
	var o options
	if err := argument.Apply(&o, opts); err != nil {
		return options{}, err
	}
	if !o.named {
		o.name = o.cluster
	}
	errs := o.faults
	refuse := func(given, allowed bool, what, where string) {
		if given && !allowed {
			errs = append(errs, fmt.Errorf("%s is for %s", what, where))
		}
	}
	refuse(o.named, by != forProducer, "As", "Consume and Publish")
	refuse(o.defaults != nil, by == forConsume, "Defaults", "Consume")
	refuse(len(o.consumer) > 0, by == forConsume, "With consumer options", "Consume")
	refuse(len(o.producer) > 0, by != forConsume, "With producer options", "Publish and Producer")
	refuse(o.sink != nil, by == forConsume, "DeadLettersTo", "Consume")
	refuse(o.letters, by == forConsume, "DeadLetters", "Consume")
	refuse(o.parking, by == forConsume, "Parking", "Consume")
	if o.letters && o.sink != nil {
		errs = append(errs, errors.New("DeadLetters and DeadLettersTo exclude each other"))
	}
	return o, errors.Join(errs...)
}

// On selects a cluster that Cluster or Named declares. The provided value has the cluster's name,
// and the sections of a consumer and a topic are those of clusters.CLUSTER.
func On(cluster string) Option { return func(o *options) { o.cluster = cluster } }

// As provides the value under a name, by which parameters ask for it. It is needed for two
// consumers, or two publishers, of one type of message. The consumer.DeadLetters[T] and the
// topic.Topic[T] that the application may provide have the same name.
func As(name string) Option { return func(o *options) { o.name, o.named = name, true } }

// Defaults sets the defaults of the consumer's configuration section.
func Defaults(c config.Consumer) Option { return func(o *options) { o.defaults = &c } }

// With passes options to the constructor of a consumer or a producer, for what the configuration
// can't say: a standalone consumer, hooks for assigned partitions, a partitioner. They are applied
// after those with which this package connects the component to the application.
//
//	fxiggy.Consume(Orders, "billing", fxiggy.With(consumer.OnAssigned(load), consumer.OnLost(forget)))
//	fxiggy.Publish(Orders, fxiggy.With(producer.WithPartitioner(byRegion)))
//
// A standalone consumer has no group, and none is created.
func With[O consumer.Option | producer.Option](opts ...O) Option {
	return func(o *options) {
		switch all := any(opts).(type) {
		case []consumer.Option:
			o.faults = append(o.faults, noNil(all))
			o.consumer = append(o.consumer, all...)
		case []producer.Option:
			o.faults = append(o.faults, noNil(all))
			o.producer = append(o.producer, all...)
		}
	}
}

// noNil returns an error that names the position of a nil option.
func noNil[F ~func(T), T any](opts []F) error {
	for i, opt := range opts {
		if opt == nil {
			return fmt.Errorf("With: option %d of %d is nil", i+1, len(opts))
		}
	}
	return nil
}

// DeadLettersTo sends the dead letters of a consumer of T to a value of the graph that implements
// consumer.DeadLetters[T] and has the name of the consumer. A consumer.DeadLetters[T] that the
// application provides comes before it.
func DeadLettersTo[S any]() Option {
	return func(o *options) {
		o.sink = func(name, as string) fx.Option {
			return fx.Provide(fx.Annotate(func(sink S) defaultSink { return defaultSink{sink} }, fx.ParamTags(tag(name)), fx.ResultTags(tag(as))))
		}
	}
}

// DeadLetters stores the messages that a consumer gives up byte for byte in a topic of their own, from
// which deadletter.Replay publishes them again: TOPIC.GROUP.dlq in the stream of the consumer's topic,
// as consumers.NAME.dead_letters configures it. It is written by the cluster's producer, and created when
// it is missing and topics.provision is on. A consumer.DeadLetters[T] that the application provides comes
// before it.
//
//	fxiggy.Consume(Orders, "billing", fxiggy.DeadLetters()) // shop/orders.billing.dlq
func DeadLetters() Option { return func(o *options) { o.letters = true } }

// Parking lets a consumer park the messages that wait longer than consumers.NAME.park_after for their
// redelivery (consumer.RetryAfter, consumer.Postpone): in TOPIC.GROUP.parked in the stream of the
// consumer's topic, as consumers.NAME.parked configures it. The cluster's producer writes it. It is
// created when it is missing and topics.provision is on. Without park_after, which is 0 by default,
// nothing is parked.
func Parking() Option { return func(o *options) { o.parking = true } }
