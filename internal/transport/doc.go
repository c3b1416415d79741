// Package transport is the narrow interface to one connection to an Iggy server, for the data plane
// only. transport/native implements the protocol itself; transport/sdk puts the official Go SDK
// behind the same interface.
package transport
