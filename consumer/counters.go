package consumer

// counters count what happened to the messages of one partition. They are guarded by the
// partition's lock. Metrics read them when they are collected, so that counting costs nothing while
// messages are handled.
type counters struct {
	fetched      int64 // messages read
	bytes        int64 // payload bytes read
	polls        int64 // polls that brought messages
	delivered    int64 // deliveries to the application
	redelivered  int64 // those of them that were not the first
	acked        int64
	failed       int64 // failed deliveries
	deadLettered int64 // confirmed by the dead letters
	skipped      int64 // given up where the topic has no dead letters
	dropped      int64 // ended by Drop
	duplicates   int64 // dropped for an id seen before
	undecodable  int64
	commits      int64
	gaps         int64
	gapMessages  int64
	offsetResets int64
}

func (c *counters) add(other counters) {
	c.fetched += other.fetched
	c.bytes += other.bytes
	c.polls += other.polls
	c.delivered += other.delivered
	c.redelivered += other.redelivered
	c.acked += other.acked
	c.failed += other.failed
	c.deadLettered += other.deadLettered
	c.skipped += other.skipped
	c.dropped += other.dropped
	c.duplicates += other.duplicates
	c.undecodable += other.undecodable
	c.commits += other.commits
	c.gaps += other.gaps
	c.gapMessages += other.gapMessages
	c.offsetResets += other.offsetResets
}

// totalCounters returns the sum of all counters so far, and the number of changes of the
// assignment.
func (e *engine) totalCounters() (counters, int64) {
	e.mu.Lock()
	assigned, total, changes := e.assigned, e.pastCounters, e.rebalances
	e.mu.Unlock()
	for _, p := range assigned {
		p.mu.Lock()
		t := p.counters
		p.mu.Unlock()
		total.add(t)
	}
	return total, changes
}
