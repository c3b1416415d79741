package producer

import (
	"context"
	"time"
)

// unconfirmedCounts are the numbers of accepted messages of one topic that were not confirmed.
type unconfirmedCounts struct{ failed, unknown uint64 }

// unconfirmed returns the unconfirmed messages of each topic.
func (p *Producer) unconfirmed() map[*topicState]unconfirmedCounts {
	lost := map[*topicState]unconfirmedCounts{}
	for _, t := range p.topicList() {
		lost[t] = t.unconfirmed()
	}
	return lost
}

// countOutcome counts the first n messages of b, of so many bytes, by their outcome.
func (p *Producer) countOutcome(t *topicState, b *batch, n int, bytes int64, outcome Outcome) {
	t.count(n, outcome)
	if m := p.metrics; m.meter != nil {
		ctx := context.Background()
		m.messages.Add(ctx, int64(n), t.metrics.outcomes[outcome])
		m.bytes.Add(ctx, bytes, t.metrics.outcomes[outcome])
		m.latency.Record(ctx, time.Duration(p.now()-b.messages[0].accepted).Seconds(), t.metrics.outcomes[outcome])
	}
}

// count counts n accepted messages by their outcome.
func (t *topicState) count(n int, outcome Outcome) {
	switch outcome {
	case Confirmed:
		t.confirmed.Add(uint64(n))
	case Failed:
		t.failed.Add(uint64(n))
	case Unknown:
		t.unknown.Add(uint64(n))
	}
}

// unconfirmed counts the accepted messages that were not confirmed so far.
func (t *topicState) unconfirmed() unconfirmedCounts {
	return unconfirmedCounts{failed: t.failed.Load(), unknown: t.unknown.Load()}
}

// countRefused counts n messages that failed without having been sent.
func (t *topicState) countRefused(n int) {
	t.refused.Add(uint64(n))
	t.measureFailed(n)
}

// measureFailed adds n messages to the metric of failed messages.
func (t *topicState) measureFailed(n int) {
	if m := t.producer.metrics; m.meter != nil {
		m.messages.Add(context.Background(), int64(n), t.metrics.outcomes[Failed])
	}
}

// countRetry counts a retry.
func (p *Producer) countRetry(t *topicState) {
	p.retries.Add(1)
	if m := p.metrics; m.meter != nil {
		m.retries.Add(context.Background(), 1, t.metrics.topic)
	}
}
