package config

// Config is one cluster with everything that an application does on it.
// Make one with Default or Load: the zero value is not valid.
type Config struct {
	// Iggy is the server and the way to it.
	Iggy Iggy `yaml:"iggy"`
	// Producer is how records are sent.
	Producer Producer `yaml:"producer"`
	// Consumers has one section per consumer, by its name: tasks, status,
	// logs, dlq and those that an application declares.
	Consumers map[string]Consumer `yaml:"consumers"`
	// Topics is where the messages live and how the topics are created.
	Topics Topics `yaml:"topics"`
	// Health is what readiness depends on.
	Health Health `yaml:"health"`
}
