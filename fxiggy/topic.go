package fxiggy

import (
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// declareTopic declares the configuration section of a topic on a cluster.
func declareTopic[T any](cluster string, t topic.Topic[T]) fx.Option {
	return declare(declaration{cluster: cluster, topic: &declaredTopic{t.Section(), t.Defaults()}})
}

// configured returns the topic as configured. When the application provides a topic with the same
// section, that one is used in its place.
func configured[T any](c *cluster, t, provided topic.Topic[T]) topic.Topic[T] {
	if provided.Stream() != "" && provided.Section() == t.Section() {
		t = provided
	}
	return t.Configured(c.cfg.Topics)
}
