// Package group decides which partitions are assigned to a consumer. It joins the consumer group,
// learns what the server assigned, hands over what the server is about to assign to another member,
// has the partitions shared fairly, and leaves the group. A standalone consumer is a member of no
// group, and has the partitions that it is configured to read.
//
// It owns the state of the member and of each partition, and tells the consumer through Partitions
// and Observer what to prepare, start, drain and end. The consumer reports to it with Drained,
// NeedsVerify and Refused.
//
// A [Machine] is one goroutine with one event loop. All of its state belongs to that goroutine, so
// it has no lock; only the queue of events and the published status have one each:
//
//	application ── Stop, Seek, Pause ──┐
//	the consumer ─ Drained, Refused … ─┤                    ┌─ a goroutine for each request,
//	the end of the session ────────────┼─► queue ─► loop ───┤  whose answer is an event, too
//	answers of requests ───────────────┘              │     └─ one timer
//	                                                  ▼
//	                                      Partitions, Observer, Status
//
// The loop never waits for the server or for anything else that may take long. Each event is
// handled as the tables in states.go say; then the machine does what is due in its state. So a stop
// does not wait for a rebalance, and a seek waits for neither.
//
// What the machine relies on was measured on Iggy 0.8.0: a member learns its partitions only from
// polls that name no partition; a partition that the server is about to move is missing from the
// answers to these polls, and moves at the commit that covers the last message that was polled; a
// member that joins is assigned one partition and no more; when a member leaves, all partitions are
// assigned anew, also those with messages in flight.
package group
