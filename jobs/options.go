package jobs

import "github.com/fetchbox/fetchbox-iggy/config"

// Prefix is the prefix of FetchBox's environment variables: FETCHBOX_CONFIG names the file, and
// FETCHBOX__SECTION__KEY sets a key.
const Prefix = "FETCHBOX"

// Options declare FetchBox's topics and consumers, with the sections tasks, status, logs and dlq, and
// set the prefix of its variables.
func Options() []config.Option {
	opts := []config.Option{config.WithPrefix(Prefix)}
	cluster := DefaultCluster()
	for name, t := range cluster.Topics.Declared {
		opts = append(opts, config.WithTopic(name, t))
	}
	for name, c := range cluster.Consumers {
		opts = append(opts, config.WithConsumer(name, c))
	}
	return opts
}

// DefaultCluster returns the default of every key of a cluster with FetchBox's topics and consumers,
// for config.WithCluster.
func DefaultCluster() config.Cluster {
	c := config.DefaultCluster()
	c.Topics.Declared[Tasks.Section()] = Tasks.Defaults()
	c.Topics.Declared[Status.Section()] = Status.Defaults()
	c.Topics.Declared[Logs.Section()] = Logs.Defaults()
	c.Topics.Declared[DeadLetters.Section()] = DeadLetters.Defaults()
	c.Consumers[Tasks.Section()] = config.DefaultConsumer(GroupWorkers)
	for _, name := range []string{Status.Section(), Logs.Section(), DeadLetters.Section()} {
		c.Consumers[name] = config.DefaultConsumer(GroupOperators)
	}
	return c
}

// The consumer groups of FetchBox.
const (
	// GroupWorkers reads the tasks.
	GroupWorkers = "workers"
	// GroupOperators reads the status, the logs and the dead letters.
	GroupOperators = "operators"
)
