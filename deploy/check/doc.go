// Package check holds the manifests beside it to the Kubernetes API's own
// types and to the application. It is a module of its own, so that the library
// does not require Kubernetes.
package check
