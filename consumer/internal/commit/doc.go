// Package commit stores the acknowledged prefixes of partitions as the offsets of a consumer group
// or of a standalone consumer.
//
// A Partition, which is the commit side of one assignment, owns the acknowledged prefix that
// deliver advances and the offset that is stored. It tells its Owner what was stored and what was
// not. The Committer, one goroutine for a consumer, commits what is due: the commits of one
// partition one after another, those of several partitions at the same time, and none of them
// delays a poll. A Tracker computes the acknowledged prefix; it belongs to deliver's queue, whose
// lock guards it.
package commit
