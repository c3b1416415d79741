// Package consumer reads the messages of a topic: every message is delivered at least once,
// acknowledged offsets are committed as a contiguous prefix of their partition, and the offset of a
// message that can't be handled is committed only after its dead letter is confirmed.
//
// A consumer has four components, and the files carry their names:
//
//   - group: which partitions are assigned to this member. It joins, learns the assignment, hands
//     partitions over, rebalances, leaves, and verifies that logs and stored offsets are the expected
//     ones.
//   - fetch: where each partition is read, the prefetch buffer, gaps, truncated logs and offset
//     resets.
//   - deliver: which messages are with the application: the in-flight limit, lanes for keys, workers,
//     redelivery, dead letters and orphaned deliveries.
//   - commit: the acknowledged prefix and the stored offset of each partition.
//
// They share the quotas (quota.go) and the state of an assignment (partition.go). Only Consumer,
// Message and the decoding know the type of the messages.
package consumer
