package deliver

// checkDrained has the owner told when a draining queue has nothing more to do.
func (d *delivery) checkDrained() {
	if d.assignment.phase == PhaseDraining {
		d.rest()
	}
	if d.drained() {
		d.assignment.after.drained = true
	}
}

// rest has a draining queue wait no longer for messages that only wait themselves, for their next
// delivery, and for those that were given back: nobody works on them, and whoever gets the
// partition gets them again. Those behind them in their lanes wait with them. From then on nothing
// is handed out until it resumes.
func (d *delivery) rest() {
	a := &d.assignment
	if d.onlyWaits() && (a.ready.length == a.counts[stateGivenBack] || a.queue.pool.batches() || d.suspended()) {
		a.phase = PhaseResting
		a.limits.inFlight.Unclaim()
	}
}

// onlyWaits tells whether messages wait for their next delivery, or to be handed out again, and
// nobody works on any.
func (d *delivery) onlyWaits() bool {
	c := &d.assignment.counts
	return d.idle() > 0 && (c[stateDue] == 0 || d.suspended()) &&
		c[stateInFlight] == 0 && c[stateDeadLetter] == 0 && d.runs.running == 0
}

// idle is how many messages wait that nobody works on.
func (d *delivery) idle() int {
	c := &d.assignment.counts
	if d.suspended() {
		return c[stateWaiting] + c[stateDue] + d.assignment.ready.length
	}
	return c[stateWaiting] + c[stateGivenBack]
}

// drained tells that a draining queue has nothing more to do.
func (d *delivery) drained() bool {
	switch d.assignment.phase {
	case PhaseDraining:
		if d.assignment.tracker.Open() > 0 {
			return false
		}
	case PhaseResting:
	default:
		return false
	}
	return d.runs.running == 0 && d.admission.chunk == nil && len(d.admission.buffer) == 0
}

// drain begins to drain; see Queue.Drain.
func (d *delivery) drain() (first uint64, ok bool) {
	a := &d.assignment
	if a.phase != PhaseActive {
		return 0, false
	}
	a.phase = PhaseDraining
	if !a.queue.pool.onPoll() { // else they are committed: nobody else will get them
		d.runs.recallAll()
		forget := func(offset uint64) {
			if !ok || offset < first {
				first, ok = offset, true
			}
		}
		a.cut(func(m *Message) { forget(m.Raw.Offset) })
		d.admission.discard(forget)
	}
	d.changed()
	return first, ok
}

// resume goes on after a drain.
func (d *delivery) resume() {
	a := &d.assignment
	if a.phase == PhaseDraining || a.phase == PhaseResting {
		a.phase = PhaseActive
		d.announce()
	}
}

// lose ends the assignment; see Queue.Lose.
func (d *delivery) lose(cause error, orphans bool) (unfinished int, first bool) {
	a := &d.assignment
	if a.phase == PhaseLost {
		return 0, false
	}
	d.runs.recallAll() // what was done counts
	unfinished = a.unfinished()
	a.phase = PhaseLost
	a.queue.cancel(cause)
	a.queue.partition.orphans.Add(int64(d.runs.running))
	left := 0
	if orphans { // else the application itself gave up what it has
		left = a.orphanInFlight()
	}
	d.redelivery.stop()
	d.pause.lost()
	d.admission.stop()
	d.runs.list = nil
	a.end(left)
	return unfinished, true
}

// leave gives back what the queue has of the limits, but for its orphaned deliveries.
func (l *limits) leave(orphans int) {
	l.inFlight.Leave(orphans)
	l.decompressed.Leave(0)
	l.waiting.Leave(0)
	l.waitingBytes.Leave(0)
}
