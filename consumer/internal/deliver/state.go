package deliver

import "time"

// State is a queue at one moment.
type State struct {
	// Phase is the phase of the queue, and Drained tells that a draining one is drained.
	Phase   Phase
	Drained bool
	// Paused is as Pause says.
	Paused bool
	// Unavailable says why the handler can't work for this queue; nil when it can.
	Unavailable error
	// Blocked says what the queue waits for, and why: a dead letter or a parked message that can't be
	// written; nil when there is none.
	Blocked error
	// Limit is why nothing new is admitted from the prefetch buffer.
	Limit Limit
	// InFlight is how many messages are in flight, or being written to the dead letters or parked.
	InFlight int
	// Ready is how many messages are decoded and may be delivered, Behind how many are behind another
	// one of their key, and Waiting how many wait for redelivery.
	Ready, Behind, Waiting int
	// Unfinished is how many messages are in flight, wait for redelivery, or precede such ones in the
	// log and are not acknowledged; Idle is how many of them wait, and are not in flight.
	Unfinished, Idle int
	// Uncommitted is how many messages are acknowledged that the committed offset does not cover; 0
	// where offsets are not stored or messages are acknowledged before they are handled.
	Uncommitted int
	// Delivered tells whether a message was ever delivered.
	Delivered bool
	// OnlyWaits tells that messages wait for redelivery, and none is in flight.
	OnlyWaits bool
	// Admitted is how many messages are admitted and not in the acknowledged prefix.
	Admitted int
	// Next is the offset of the first message that is not acknowledged; only when HasNext.
	Next    uint64
	HasNext bool
	// Oldest is when the first message that is not acknowledged was admitted; zero: none is.
	Oldest time.Time
}

// State returns the state of the queue.
func (q *Queue) State() (s State) {
	q.update(func(d *delivery) {
		if d.assignment.phase != PhaseLost {
			d.runs.settleAll()
			d.changed()
		}
		s = d.state()
	})
	return s
}

func (d *delivery) state() State {
	a := &d.assignment
	d.runs.countAll()
	unbegun := d.runs.unbegun()
	s := State{
		Phase: a.phase, Drained: d.drained(),
		Paused: d.paused, Unavailable: d.suspension.cause, Blocked: d.blockedBy,
		InFlight: a.counts[stateInFlight] + a.counts[stateTransfer] - unbegun,
		Ready:    a.ready.length + unbegun, Behind: a.counts[stateBehind], Waiting: a.waiting(),
		Unfinished: a.unfinished(), Delivered: a.delivered > 0, OnlyWaits: d.onlyWaits(),
		Admitted: a.tracker.Open(),
	}
	if s.Idle = d.idle(); s.Phase == PhaseIdle {
		s.Idle = s.Unfinished
	}
	if a.queue.pool.stores() {
		seen := min(a.tracker.Tail(), max(a.delivered, a.tracker.FirstOpen())) // the others were not delivered
		s.Uncommitted = int(seen-min(seen, a.queue.progress.Committed())) - s.Unfinished
	}
	if s.Next, s.HasNext = a.tracker.First(); !s.HasNext {
		s.Next, s.HasNext = d.admission.first()
	}
	if since, ok := a.tracker.Oldest(); ok {
		s.Oldest = time.Unix(0, since)
	}
	if _, waiting := d.admission.first(); waiting && s.Phase != PhaseLost {
		if s.Limit = d.admission.limit(); s.Limit == LimitNone && a.limits.decompressed.Waiting() {
			s.Limit = LimitDecompressed
		}
	}
	return s
}

// Counters count what became of the messages of a queue, or of several.
type Counters struct {
	Delivered    int64 // deliveries to the application
	Redelivered  int64 // those of them that were not the first
	Acked        int64
	Failed       int64 // failed deliveries
	DeadLettered int64 // confirmed by the dead letters
	Parked       int64 // copies of messages that were parked
	Skipped      int64 // given up by a consumer without dead letters
	Dropped      int64 // ended by Drop
	Duplicates   int64 // dropped for an id seen before
	Undecodable  int64
}

// Counters returns the counters of the queue.
func (q *Queue) Counters() (c Counters) {
	q.update(func(d *delivery) {
		d.runs.countAll()
		if d.assignment.phase != PhaseLost {
			d.runs.settleAll()
			d.changed()
		}
		c = d.assignment.counters
	})
	return c
}

// Add adds o to c.
func (c *Counters) Add(o Counters) {
	c.Delivered += o.Delivered
	c.Redelivered += o.Redelivered
	c.Acked += o.Acked
	c.Failed += o.Failed
	c.DeadLettered += o.DeadLettered
	c.Parked += o.Parked
	c.Skipped += o.Skipped
	c.Dropped += o.Dropped
	c.Duplicates += o.Duplicates
	c.Undecodable += o.Undecodable
}
