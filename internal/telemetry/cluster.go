package telemetry

import "go.opentelemetry.io/otel/attribute"

// DefaultCluster is the name of a cluster without a name in metrics.
const DefaultCluster = "default"

// Cluster returns the attribute that names a cluster, the same one on all metrics. Without a name
// it is DefaultCluster. The attribute is not called "cluster", since Prometheus targets often have
// a label of that name, which would hide it.
func Cluster(name string) attribute.KeyValue {
	if name == "" {
		name = DefaultCluster
	}
	return attribute.String("iggy.cluster", name)
}

// QualifiedName returns the name of a component in logs and errors, with the name of its cluster in
// front if it has one.
func QualifiedName(cluster, name string) string {
	if cluster == "" {
		return name
	}
	return cluster + "." + name
}
