package producer

import (
	"context"
	"sync/atomic"
)

// outcomeCounters count the messages of one topic by outcome.
type outcomeCounters struct {
	confirmed, failed, unknown atomic.Uint64 // messages that were accepted
	refused                    atomic.Uint64 // messages that were not accepted, or were withdrawn; they count as failed
}

// count counts n accepted messages by their outcome.
func (c *outcomeCounters) count(n int, outcome Outcome) {
	switch outcome {
	case Confirmed:
		c.confirmed.Add(uint64(n))
	case Failed:
		c.failed.Add(uint64(n))
	case Unknown:
		c.unknown.Add(uint64(n))
	}
}

// unconfirmedCounts are the numbers of accepted messages of one topic that were not confirmed.
type unconfirmedCounts struct{ failed, unknown uint64 }

// unconfirmed counts the accepted messages that were not confirmed so far.
func (c *outcomeCounters) unconfirmed() unconfirmedCounts {
	return unconfirmedCounts{failed: c.failed.Load(), unknown: c.unknown.Load()}
}

// unconfirmed returns the unconfirmed messages of each topic.
func (s *topicSet) unconfirmed() map[*topicState]unconfirmedCounts {
	counts := map[*topicState]unconfirmedCounts{}
	for _, t := range s.list() {
		counts[t] = t.counters.unconfirmed()
	}
	return counts
}

// countRefused counts n messages that failed without having been sent.
func (t *topicState) countRefused(n int) {
	t.counters.refused.Add(uint64(n))
	t.measureFailed(n)
}

// measureFailed adds n messages to the metric of failed messages.
func (t *topicState) measureFailed(n int) {
	if m := t.producer.stats.metrics; m.meter != nil {
		m.messages.Add(context.Background(), int64(n), t.metrics.outcomes[Failed])
	}
}
