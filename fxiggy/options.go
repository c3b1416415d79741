package fxiggy

import (
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
)

// Option is an option of Consume and Publish.
type Option func(*options)

type options struct {
	cluster  string
	name     string
	named    bool
	defaults *config.Consumer
}

func newOptions(opts []Option) (options, error) {
	var o options
	if err := argument.Apply(&o, opts); err != nil {
		return options{}, err
	}
	if !o.named {
		o.name = o.cluster
	}
	return o, nil
}

// On selects a cluster that Named declares. The provided value has the cluster's name, and the
// section of a consumer is clusters.CLUSTER.consumers.NAME.
func On(cluster string) Option { return func(o *options) { o.cluster = cluster } }

// As provides the value under a name, by which parameters ask for it. It is needed for two
// consumers, or two publishers, of one type of message. The consumer.DeadLetters[T] has the same
// name.
func As(name string) Option { return func(o *options) { o.name, o.named = name, true } }

// Defaults sets the defaults of the consumer's configuration section.
func Defaults(c config.Consumer) Option { return func(o *options) { o.defaults = &c } }
