// Package group decides which partitions a consumer has: it joins the consumer group, learns what
// the server assigned, hands over what the server is about to assign to another member, has the
// partitions shared fairly, and leaves. A standalone consumer is the same without a group.
//
// A [Machine] is one goroutine with one event loop:
//
//	application ── Stop, Seek, Pause ──┐
//	the consumer ─ Drained, Refused … ─┤                    ┌─ a goroutine for each request,
//	the session's end ─────────────────┼─► queue ─► loop ───┤  whose answer is an event again
//	answers of requests ───────────────┘              │     └─ one timer
//	                                                  ▼
//	                                      Partitions, Observer, Status
//
// The loop never waits for the server or for anything else that may take long. Each event is
// handled as the tables in states.go say; then the machine starts what is due in the state that
// it has reached. So a stop does not wait for a rebalance, and a seek waits for neither.
//
// What the machine knows about the server was measured on Iggy 0.8.0: a member is told the
// partitions that it has only by polls that name none; a partition that is to move is missing from
// the answers to these and moves at the commit that covers the last message that was polled; a
// member that joins gets one partition and no more; a member that leaves has all partitions
// assigned anew, without regard to anybody's work.
package group
