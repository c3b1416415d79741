// Package transporttest is the conformance suite of transports: what every
// implementation of transport.Conn must do, on a server and towards peers that
// misbehave. Both transports run it, and the native one is the default because
// it passes.
package transporttest
