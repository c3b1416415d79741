// Package grpchealth answers the gRPC Health Checking Protocol, which the gRPC probes
// of Kubernetes and gRPC's own clients speak, from a health.Registry. It is a package of its
// own so that only those who import it link gRPC.
package grpchealth
