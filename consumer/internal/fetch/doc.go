// Package fetch reads the assigned partitions of a consumer ahead of its
// application.
//
// A Cursor is one assignment of a partition: the offset to read next, the polls
// under way, and what was noticed about the log. A Fetcher belongs to one
// connection: it chooses which cursor polls next, makes the polls, and asks
// for the ends of the logs while nothing comes.
//
// What a poll brings goes to the partition's queue. How much is read ahead is
// bounded by bytes and by a few polls, never by how many messages may be with
// the application.
package fetch
