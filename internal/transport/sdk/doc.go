// Package sdk puts the official Go SDK (github.com/apache/iggy/foreign/go
// v0.8.0) behind transport.Conn.
//
// The SDK takes no context and no deadline, dials without end, waits for a
// stalled server for ever, also to close, believes any length that it is told
// and knows only some statuses. None of that can be changed from outside of
// it, since it gives no access to its socket. So it does not get the server's
// socket: it dials a relay in this process, over loopback, and the relay holds
// the socket to the server. The relay
//
//   - connects with a context and a full tls.Config;
//   - passes on one request and one answer at a time, checks their heads and
//     keeps the status, so that no number is lost;
//   - knows whether a request went out whole;
//   - cuts both sockets when a context ends, which makes the SDK's call return
//     at once: no call and no goroutine is ever left behind;
//   - logs in by itself, since the SDK's login also looks for a cluster leader,
//     tells the process's standard logger about it and may dial another address.
//
// What it cannot change: the SDK takes memory for an answer as soon as it knows
// its length, of which the relay lets 2 GiB through.
//
// The price is one more way through loopback for each request, some 20 to 40 µs
// and a copy. The plain text of a TLS connection passes through loopback
// between two sockets of this process; the password and the token do not.
package sdk
