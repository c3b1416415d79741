// Package fetch reads the assigned partitions of a consumer ahead of the delivery.
//
// A Cursor is one assignment of a partition. It owns the position in the log, the polls in flight,
// and what was noticed about the log; its lock guards them. It offers what a poll returned to its
// Queue, and tells its Owner what it noticed: answers that do not fit the position, refused polls,
// and the end of reading. A Fetcher belongs to one session: one goroutine decides which cursor
// polls next, and each poll has a goroutine. It waits for new messages as a member of a watch.Topics.
//
// How much is prefetched is limited by bytes (byte_limit.go) and by a few polls (depth.go), never
// by the in-flight limit.
package fetch
