// Package native implements Iggy's 0.8 protocol for the data plane only, behind transport.Conn.
//
// Several requests are in flight on a connection. Each call encodes its request into a pooled
// buffer, waits for the write lock, writes the request in its own goroutine, a batch's messages
// straight from the batch's memory, and waits for the answer. The waiting calls read the answers,
// one call at a time. Answers come in the order of the requests, and each goes to the call at the
// front of the queue.
//
// When a call's context ends
//
//   - before the first byte was written, nothing happens;
//   - in the middle of the write, the connection is broken: the rest of the frame can't follow, and
//     the server would take the next request for it;
//   - after the write, the call returns at once, and its answer is discarded when it comes.
//
// In all cases the call does not use the memory of the batch after it has returned.
//
// The peer is not trusted: lengths are checked against what the command allows, memory grows only
// with bytes that have come, and an answer that does not fit breaks the connection with
// iggyerr.ErrProtocol.
package native
