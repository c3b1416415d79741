// Package quota shares a limit fairly: the messages in flight of a consumer, the bytes that it has
// prefetched and the bytes that it has decompressed, each over the partitions that are assigned.
//
// Half of a limit is reserved in equal parts for the members, the other half is first come, first
// served: a busy member can use more than its part, and one that is stuck never takes the parts of
// the others.
package quota
