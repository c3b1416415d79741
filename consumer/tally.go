package consumer

// tally counts what became of the records of one partition. It is guarded by
// the partition's lock; metrics read it when they are collected, so that counting
// costs nothing while records are handled.
type tally struct {
	fetched     int64 // records read
	bytes       int64 // payload bytes read
	polls       int64 // polls that brought records
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
	gapRecords  int64
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
	t.gapRecords += o.gapRecords
	t.rewinds += o.rewinds
}
