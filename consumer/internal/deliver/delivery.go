package deliver

// delivery is the parts of a queue that its lock guards.
type delivery struct {
	assignment assignment
	runs       runs
	admission  admission
	redelivery redelivery
	settlement settlement
	suspension queueSuspension
	paused     bool // by the application
	blocked    int  // transfers that could not be written yet
	blockedBy  error
}

// connect sets the references between the parts.
func (d *delivery) connect(q *Queue) {
	a := &d.assignment
	a.queue = q
	d.redelivery.assignment, d.suspension.assignment = a, a
	d.settlement.assignment, d.settlement.redelivery, d.settlement.suspension = a, &d.redelivery, &d.suspension
	d.admission.assignment, d.admission.redelivery = a, &d.redelivery
	d.runs.assignment, d.runs.settlement = a, &d.settlement
}

// mayDeliver reports whether the queue may deliver messages, apart from the limits.
func (d *delivery) mayDeliver() bool {
	switch d.assignment.phase {
	case PhaseActive:
		if d.paused {
			return false
		}
	case PhaseDraining:
	default:
		return false
	}
	return d.blocked == 0 && !d.suspended()
}

// hasWork reports whether there is something to do for a worker or a caller of Next.
func (d *delivery) hasWork() bool {
	a := &d.assignment
	if !d.mayDeliver() {
		return false
	}
	if a.queue.pool.batches() {
		return !d.runs.batching && (d.admission.mayDecodeDue() || d.batchSettled() &&
			(a.ready.length > 0 && !a.limits.inFlight.Waiting() || a.ready.length == 0 && d.admission.mayDecode()))
	}
	if d.runs.running >= a.queue.pool.workersPerQueue() {
		return false
	}
	if a.ready.length > 0 {
		return !a.limits.inFlight.Waiting() || d.admission.mayDecodeDue()
	}
	return d.admission.mayDecode()
}

// announce tells the scheduler if there is something to do.
func (d *delivery) announce() {
	if d.hasWork() {
		d.assignment.queue.pool.sched.ready(d.assignment.queue)
	}
}

// changed is called after a change that is not followed by next: the application settled a
// delivery, or one is due.
func (d *delivery) changed() {
	d.checkDrained()
	d.announce()
}

// next fills r with up to most messages, or returns a chunk to decode.
func (d *delivery) next(r *run, most int) (step, *chunk) {
	a := &d.assignment
	for d.mayDeliver() {
		if d.admission.mayDecodeDue() {
			if c := d.admission.next(0); c != nil {
				return stepDecode, c
			}
		}
		if a.ready.length == 0 {
			if c := d.admission.next(decodedAtOnce); c != nil {
				return stepDecode, c
			}
			return stepNone, nil
		}
		trying := d.suspension.nextIsTrial()
		if trying {
			most = 1
		}
		before := a.ready.length
		if d.runs.take(r, most); r.end > 0 {
			if trying {
				d.suspension.beginTrial(r.messages[0])
			}
			return stepHandle, nil
		}
		if a.ready.length == before { // there is no room
			return stepNone, nil
		}
	}
	return stepNone, nil
}

// batchSettled reports whether the messages of the last batch are settled, or all ready for
// redelivery: then the next batch may begin. So the messages of a key stay in order. With manual
// acknowledgement, those that the handler has kept do not count. Parked messages have no order.
func (d *delivery) batchSettled() bool {
	a := &d.assignment
	return a.queue.parked() || a.waiting() == 0 && a.counts[stateTransfer] == 0
}

// collect takes the ready messages for a batch, after as many as a batch has are decoded.
func (d *delivery) collect(r *run) (step, *chunk) {
	if !d.mayDeliver() {
		return stepNone, nil
	}
	a := &d.assignment
	most := min(a.queue.pool.cfg.BatchSize, a.queue.pool.cfg.MaxInFlight)
	if d.admission.mayDecodeDue() || d.batchSettled() && a.ready.length < most {
		if c := d.admission.next(decodedAtOnce); c != nil {
			return stepDecode, c
		}
	}
	if !d.batchSettled() || a.ready.length == 0 {
		return stepNone, nil
	}
	retried := a.counts[stateRetry] + a.counts[stateGivenBack]
	if retried > 0 { // they may be behind newer ones
		a.sortReady()
	}
	if d.runs.takeBatch(r, min(most, a.ready.length), min(retried, most)); r.end == 0 {
		return stepNone, nil
	}
	return stepHandle, nil
}

// requeue makes the next delivery of a message that the application gave back ready, before all
// others. held is the room that the last delivery had for its decompressed payload.
func (d *delivery) requeue(m *Message, held int) {
	a := &d.assignment
	if a.phase == PhaseLost {
		return
	}
	a.limits.decompressed.Give(held - m.Decompressed)
	if a.phase != PhaseIdle {
		d.runs.recallAll() // their messages are behind it
	}
	m.givenBack = true
	a.setState(m, stateGivenBack)
	a.ready.unshift(m)
	d.changed()
}
