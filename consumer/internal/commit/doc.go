// Package commit stores the acknowledged prefixes of partitions as the offsets
// of a consumer group or of a standalone consumer.
//
// A Partition knows the acknowledged prefix, which the deliver package tells
// it, and the offset that is stored. The Committer stores what is due. Commits
// of one partition happen one after another, commits of different partitions
// side by side, and none of them delays a poll.
package commit
