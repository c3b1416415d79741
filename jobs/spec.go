package jobs

import (
	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Spec returns the four topics with the groups of their consumers, as configured, for
// admin.Admin.Provision.
func Spec(c config.Cluster) admin.Spec {
	t := FromConfig(c.Topics)
	return admin.Spec{specOf(c, t.Tasks), specOf(c, t.Status), specOf(c, t.Logs), specOf(c, t.DeadLetters)}
}

// specOf returns a topic with the groups of the consumer whose section has the same name.
func specOf[T any](c config.Cluster, t topic.Topic[T]) admin.TopicSpec {
	var groups []string
	if consumer, ok := c.Consumers[t.Section()]; ok {
		groups = consumer.Groups()
	}
	return admin.Of(t, groups...)
}
