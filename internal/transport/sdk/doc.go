// Package sdk puts the official Go SDK (github.com/apache/iggy/foreign/go v0.8.0) behind
// transport.Conn.
//
// The SDK takes no context and no deadline. It dials without a time limit, waits forever for a
// stalled server, also in Close, trusts any announced length, and knows only some statuses. It
// gives no access to its socket, so none of that can be changed from outside. Therefore the SDK
// does not get the server's socket. It dials a relay in this process, over loopback, and the relay
// holds the socket to the server. The relay
//
//   - connects with a context and a full tls.Config;
//   - passes on one request and one answer at a time, checks their headers and keeps the status;
//   - knows whether a request was sent completely;
//   - closes both sockets when a context ends, which makes the SDK's call return at once: no call
//     and no goroutine remains;
//   - logs in itself, since the SDK's login also looks for a cluster leader, logs to the process's
//     standard logger and may dial another address.
//
// The relay can't change that the SDK allocates memory for an answer as soon as it knows its
// length, of which the relay accepts up to 2 GiB.
//
// Each request costs one more exchange over loopback, some 20 to 40 µs, and a copy. The plain text
// of a TLS connection passes through loopback between two sockets of this process. The password and
// the token do not.
package sdk
