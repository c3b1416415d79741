// Package transport is the narrow interface to one connection to an Iggy
// server: what the data plane needs and nothing else. transport/native speaks
// the protocol itself; transport/sdk puts the official Go SDK behind the same
// interface.
package transport
