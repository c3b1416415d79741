package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
)

// counters are the counters of a partition, or of several.
type counters struct {
	fetched   fetch.Counters
	delivered deliver.Counters
	commits   int64
	resets    int64 // truncated logs and moved stored offsets
}

// counters returns the counters of the consumer. What was read and committed of the parked messages does
// not count: they were read before.
func (e *engine) counters() counters {
	total := e.assignments.counters()
	if e.parking != nil {
		total.delivered.Add(e.parking.assignments.counters().delivered)
	}
	return total
}

func (c *counters) add(o counters) {
	c.fetched.Add(o.fetched)
	c.delivered.Add(o.delivered)
	c.commits += o.commits
	c.resets += o.resets
}
