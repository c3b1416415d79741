// Package grpchealth serves the gRPC Health Checking Protocol from a health.Registry, for the gRPC
// probes of Kubernetes and the clients of gRPC. It is a package of its own so that only programs
// that import it link gRPC.
package grpchealth
