package jobs

import (
	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Spec returns the four topics with the groups of their consumers, as configured, for
// admin.Admin.Provision. With park_after, the topic of the workers' parked tasks is the fifth.
func Spec(c config.Cluster) admin.Spec {
	t := FromConfig(c.Topics)
	spec := admin.Spec{specOf(c, t.Tasks), specOf(c, t.Status), specOf(c, t.Logs), specOf(c, t.DeadLetters)}
	if workers, ok := c.Consumers[t.Tasks.Section()]; ok && workers.ParkAfter > 0 {
		spec = append(spec, admin.Of(consumer.ParkedTopic(t.Tasks, workers), workers.Groups()...))
	}
	return spec
}

// specOf returns a topic with the groups of the consumer whose section has the same name.
func specOf[T any](c config.Cluster, t topic.Topic[T]) admin.TopicSpec {
	var groups []string
	if reader, ok := c.Consumers[t.Section()]; ok {
		groups = reader.Groups()
	}
	return admin.Of(t, groups...)
}
