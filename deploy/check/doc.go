// Package check checks the manifests in deploy/kubernetes against the types of the Kubernetes API
// and against the application. It is a module of its own, so that the library does not require
// Kubernetes.
package check
