// Package native speaks Iggy's 0.8 protocol itself: the data plane only, behind
// transport.Conn.
//
// Several requests are in flight on a connection. Each call encodes its request
// into a pooled buffer, writes it in its turn from its own goroutine, a batch's
// messages straight from the batch's memory, and waits. One goroutine reads the
// answers, which come in the order of the requests, and hands each to the call
// at the head of the queue.
//
// When a call's context ends
//
//   - before the first byte was written, nothing happened;
//   - in the middle of the write, the connection is broken, since the rest of
//     the frame can't come any more and the server would take the next request
//     for it;
//   - after the write, the call returns at once, and its answer is read and
//     dropped in its turn.
//
// In all cases the memory of the batch is left alone when the call returns.
//
// What the peer sends is not trusted: lengths are checked against what the
// command calls for, memory grows only with bytes that have come, and an answer
// that does not fit breaks the connection with iggyerr.ErrProtocol.
package native
