package config

import (
	"errors"
	"maps"
	"slices"
)

// Config is the configuration of an application's use of Iggy. Make one with Default or Load: the
// zero value is not valid. It is safe for concurrent reading.
type Config struct {
	// Cluster is the cluster of the sections at the top level.
	Cluster `yaml:",inline"`
	// Health is the configuration of the health checks.
	Health Health `yaml:"health"`
	// Clusters has a section for each other cluster, by the name with which the application
	// declares it.
	Clusters map[string]Cluster `yaml:"clusters,omitempty"`
}

// Cluster is one Iggy server, or cluster of servers, with its producer, consumers and topics.
type Cluster struct {
	// Iggy is the connection to the server.
	Iggy Iggy `yaml:"iggy"`
	// Producer is the configuration of the producer.
	Producer Producer `yaml:"producer"`
	// Consumers has a section for each consumer, by the name with which the application declares
	// it.
	Consumers map[string]Consumer `yaml:"consumers"`
	// Topics is where the topics are, how they are created and how their payloads are compressed.
	Topics Topics `yaml:"topics"`
}

// Validate returns all faults, joined, each as a KeyError with its key. It changes nothing. A cluster
// without any credentials is valid, and no file of a secret or a certificate is read: only a cluster
// that is used needs them; see ValidateCluster.
func (c Config) Validate() error {
	f := newFaults("")
	c.validate(f, maybeUnused)
	c.Health.validate(f.at("health"))
	for _, name := range slices.Sorted(maps.Keys(c.Clusters)) {
		c.Clusters[name].validate(f.at("clusters."+name), maybeUnused)
	}
	return f.err()
}

// ValidateCluster returns all faults of a cluster that is used: it needs a login, and the files of
// secrets and certificates that its section names, which ValidateCluster reads. The name of the
// cluster of the sections at the top level is empty. Sources.Locate adds lines and variables.
func (c Config) ValidateCluster(name string) error {
	f, cluster := newFaults(""), c.Cluster
	if name != "" {
		var ok bool
		if cluster, ok = c.Clusters[name]; !ok {
			f.add("clusters."+name, errors.New("is not declared"))
			return f.err()
		}
		f = f.at("clusters." + name)
	}
	cluster.validate(f, used)
	return f.err()
}

func (c Cluster) validate(f faults, u usage) {
	c.Iggy.validate(f.at("iggy"), u)
	c.Producer.validate(f.at("producer"))
	for _, name := range slices.Sorted(maps.Keys(c.Consumers)) {
		c.Consumers[name].validate(f.at("consumers." + name))
	}
	c.Topics.validate(f.at("topics"))
}
