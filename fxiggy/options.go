package fxiggy

import "github.com/fetchbox/fetchbox-iggy/config"

// Option changes what Consume and Publish provide.
type Option func(*options)

type options struct {
	cluster  string
	name     string
	named    bool
	defaults *config.Consumer
}

func newOptions(opts []Option) options {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if !o.named {
		o.name = o.cluster
	}
	return o
}

// On chooses a cluster that Named declares. What is provided then has the cluster's
// name, and the section is clusters.CLUSTER.consumers.NAME.
func On(cluster string) Option { return func(o *options) { o.cluster = cluster } }

// As gives what is provided a name of its own, which its parameters have to
// ask for: for two consumers, or publishers, of one type of message. The consumer.DeadLetters[T]
// is asked for under the same name.
func As(name string) Option { return func(o *options) { o.name, o.named = name, true } }

// Defaults are the values of the consumer's section where the configuration
// says nothing.
func Defaults(c config.Consumer) Option { return func(o *options) { o.defaults = &c } }
