package fxiggy

import (
	"errors"
	"fmt"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
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

// requireGroupTopic has a topic provisioned that a consumer group writes beside the one that it reads,
// with groups that read it. key is its section in that of the consumer.
func requireGroupTopic[T, U any](c *cluster, read topic.Topic[U], key string, groups []string, of func() topic.Topic[T]) (t topic.Topic[T], err error) {
	err = callback.Recover(func() error { // for a name that is too long
		t = of()
		return nil
	})
	var fault *iggyerr.PanicError
	if errors.As(err, &fault) {
		return t, fmt.Errorf("%s.name: %v", key, fault.Value)
	}
	if t.String() == read.String() {
		return t, fmt.Errorf("%s.name: must not be %s, the topic that the consumer reads", key, t.Name())
	}
	c.requireTopic(admin.Of(t, groups...))
	return t, nil
}
