package deliver

// checkDrained has the owner told when a draining queue is drained.
func (d *delivery) checkDrained() {
	if d.assignment.phase == PhaseDraining {
		d.becomeIdle()
	}
	if d.drained() {
		d.assignment.after.drained = true
	}
}

// becomeIdle ends the delivery of a draining queue whose messages all wait for redelivery or were
// given back, also those behind them in their lanes: the handover does not wait for them, and the
// next owner of the partition delivers them.
func (d *delivery) becomeIdle() {
	a := &d.assignment
	if d.onlyWaits() && (a.ready.length == a.counts[stateGivenBack] || a.queue.pool.batches() || d.suspended()) {
		a.phase = PhaseIdle
		a.limits.inFlight.Unclaim()
	}
}

// onlyWaits reports whether messages wait for redelivery, or were given back, and none is in
// flight.
func (d *delivery) onlyWaits() bool {
	c := &d.assignment.counts
	return d.idle() > 0 && (c[stateDue] == 0 || d.suspended()) &&
		c[stateInFlight] == 0 && c[stateTransfer] == 0 && d.runs.running == 0
}

// idle returns how many messages wait, and are not in flight.
func (d *delivery) idle() int {
	c := &d.assignment.counts
	if d.suspended() {
		return c[stateWaiting] + c[stateDue] + d.assignment.ready.length
	}
	return c[stateWaiting] + c[stateGivenBack]
}

// drained reports whether a draining queue has nothing more to do.
func (d *delivery) drained() bool {
	switch d.assignment.phase {
	case PhaseDraining:
		if d.assignment.tracker.Open() > 0 {
			return false
		}
	case PhaseIdle:
	default:
		return false
	}
	return d.runs.running == 0 && d.admission.chunk == nil && len(d.admission.buffer) == 0
}

// drain is Queue.Drain.
func (d *delivery) drain() (first uint64, ok bool) {
	a := &d.assignment
	if a.phase != PhaseActive {
		return 0, false
	}
	a.phase = PhaseDraining
	if !a.queue.pool.onPoll() { // otherwise their offsets are stored already
		d.runs.recallAll()
		forget := func(offset uint64) {
			if !ok || offset < first {
				first, ok = offset, true
			}
		}
		a.cut(func(m *Message) { forget(m.Raw.Offset) })
		d.admission.discard(forget)
	}
	if a.queue.parked() {
		d.parkWaiting()
	}
	d.changed()
	return first, ok
}

// resume is Queue.Resume.
func (d *delivery) resume() {
	a := &d.assignment
	if a.phase == PhaseDraining || a.phase == PhaseIdle {
		a.phase = PhaseActive
		d.announce()
	}
}

// lose is Queue.Lose and Queue.Discard.
func (d *delivery) lose(cause error, orphans bool) (unfinished int, first bool) {
	a := &d.assignment
	if a.phase == PhaseLost {
		return 0, false
	}
	d.runs.recallAll() // their outcomes count
	unfinished = a.unfinished()
	a.phase = PhaseLost
	a.queue.cancel(cause)
	a.queue.partition.orphans.Add(int64(d.runs.running))
	left := 0
	if orphans { // otherwise the application itself gave them up
		left = a.orphanInFlight()
	}
	d.redelivery.stop()
	d.suspension.lost()
	d.admission.stop()
	d.runs.list = nil
	a.end(left)
	return unfinished, true
}

// leave gives back what the queue has of the limits, except for its orphaned deliveries.
func (l *limits) leave(orphans int) {
	l.inFlight.Leave(orphans)
	l.decompressed.Leave(0)
	l.waiting.Leave(0)
	l.waitingBytes.Leave(0)
}
