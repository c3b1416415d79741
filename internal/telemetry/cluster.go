package telemetry

import "go.opentelemetry.io/otel/attribute"

// DefaultCluster is what metrics call the cluster of those that were told no name.
const DefaultCluster = "default"

// Cluster is the attribute that tells a cluster, the same one on all metrics; without a
// name it is DefaultCluster. It is not called "cluster", since Prometheus' targets
// often have a label of that name, which would hide it.
func Cluster(name string) attribute.KeyValue {
	if name == "" {
		name = DefaultCluster
	}
	return attribute.String("iggy.cluster", name)
}

// In is the name of a component in logs and errors: that of its cluster goes before it, if it has one.
func In(cluster, name string) string {
	if cluster == "" {
		return name
	}
	return cluster + "." + name
}
