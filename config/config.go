package config

import (
	"maps"
	"slices"
	"unicode/utf8"
)

// Config is everything that YAML says about an application's use of Iggy. Make
// one with Default or Load: the zero value is not valid. It holds no reference to anything
// that changes, and may be read by any number of goroutines.
type Config struct {
	// Cluster is the cluster that the sections at the top level describe.
	Cluster `yaml:",inline"`
	// Health is what readiness depends on.
	Health Health `yaml:"health"`
	// Clusters is one section per further cluster, by the name with which the
	// application declares it.
	Clusters map[string]Cluster `yaml:"clusters,omitempty"`
}

// Cluster is one Iggy server, or cluster of servers, with everything that an
// application does on it.
type Cluster struct {
	// Iggy is the server and the way to it.
	Iggy Iggy `yaml:"iggy"`
	// Producer is how messages are sent.
	Producer Producer `yaml:"producer"`
	// Consumers is one section per consumer, by its name: tasks, status,
	// logs, dlq and those that an application declares.
	Consumers map[string]Consumer `yaml:"consumers"`
	// Topics is where the messages live and how the topics are created.
	Topics Topics `yaml:"topics"`
}

// Validate reports every fault at once, joined, each as a KeyError with its key. It
// changes nothing, but reads the files that are named: secrets and certificates.
func (c Config) Validate() error {
	f := newFaults("")
	c.validate(f)
	c.Health.validate(f.at("health"))
	for _, name := range slices.Sorted(maps.Keys(c.Clusters)) {
		c.Clusters[name].validate(f.at("clusters." + name))
	}
	return f.err()
}

// Validate is like Config.Validate, for one cluster.
func (c Cluster) Validate() error {
	f := newFaults("")
	c.validate(f)
	return f.err()
}

func (c Cluster) validate(f faults) {
	c.Iggy.validate(f.at("iggy"))
	c.Producer.validate(f.at("producer"))
	for _, name := range slices.Sorted(maps.Keys(c.Consumers)) {
		c.Consumers[name].validate(f.at("consumers." + name))
	}
	c.Topics.validate(f.at("topics"))
}

// The checks that several sections share.

func oneOf[T ~string](f faults, key string, value T, allowed ...T) {
	f.require(slices.Contains(allowed, value), key, "must be one of %v", allowed)
}

// maxName is the longest name that the protocol has room for, in bytes.
const maxName = 255

func name(f faults, key, value string) {
	f.require(len(value) >= 1 && len(value) <= maxName, key, "must have 1 to %d bytes", maxName)
	f.require(utf8.ValidString(value), key, "must be valid UTF-8")
}
