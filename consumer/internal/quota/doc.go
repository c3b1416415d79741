// Package quota shares a limit fairly. A consumer uses it for the messages in flight, the messages
// that wait for redelivery, and the bytes that are prefetched, decompressed and waiting, each
// shared by the assigned partitions.
//
// Half of a limit is reserved in equal parts for the members, and the other half is first come,
// first served: a busy member can use more than its part, and a stuck one can't use the parts of
// others.
//
// A Quota owns the units of one limit and has one lock, which also guards its Members. It calls the
// wake function of a member that was refused when there may be room again, without its lock.
package quota
