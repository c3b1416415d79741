// Package consumer reads the messages of a topic: every message is delivered at least once,
// acknowledged offsets are committed as a contiguous prefix of their partition, and the offset of a
// message that can't be handled is committed only after its dead letter is confirmed.
//
// The package itself is the API, and connects the components below internal:
//
//   - group decides which partitions are assigned: it joins, learns the assignment, hands partitions
//     over, rebalances, leaves, and has logs and stored offsets verified.
//   - fetch reads the assigned partitions: positions, polls, gaps, truncated logs, offset resets.
//   - deliver gives messages to the application: in-flight limit, keys, workers, redelivery, dead
//     letters, orphaned deliveries.
//   - watch notices that messages were appended to topics.
//   - commit stores the acknowledged prefixes.
//   - quota shares a limit fairly; park has the form of parked messages; protocol says what answers of
//     the server mean; fault notes faults that last; coalesce has timers end together; testmessage is
//     for consumertest.
//
// An engine makes the components of one consumer. A partition, of this package, connects the
// cursor, the queue and the commits of one assignment, and assignments has the partitions. Only
// Consumer, Message and app know the type of the messages. docs/consumer-internals.md describes all
// of it.
package consumer
