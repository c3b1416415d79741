package consumer

// tally counts what became of the messages of one partition. It is guarded by
// the partition's lock; metrics read it when they are collected, so that counting
// costs nothing while messages are handled.
type tally struct {
	fetched     int64 // messages read
	bytes       int64 // payload bytes read
	polls       int64 // polls that brought messages
	delivered   int64 // deliveries to the application
	redelivered int64 // those of them that were not the first
	acked       int64
	failed      int64 // failed deliveries
	buried      int64 // confirmed by the dead letters
	skipped     int64 // given up where the topic has no dead letters
	dropped     int64 // ended by Drop
	duplicates  int64 // dropped for an id seen before
	undecodable int64
	commits     int64
	gaps        int64
	gapMessages int64
	rewinds     int64
}

func (t *tally) add(o tally) {
	t.fetched += o.fetched
	t.bytes += o.bytes
	t.polls += o.polls
	t.delivered += o.delivered
	t.redelivered += o.redelivered
	t.acked += o.acked
	t.failed += o.failed
	t.buried += o.buried
	t.skipped += o.skipped
	t.dropped += o.dropped
	t.duplicates += o.duplicates
	t.undecodable += o.undecodable
	t.commits += o.commits
	t.gaps += o.gaps
	t.gapMessages += o.gapMessages
	t.rewinds += o.rewinds
}
