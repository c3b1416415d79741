package deliver

// delivery is the parts of a queue that its lock guards, and what they do together.
type delivery struct {
	assignment assignment
	runs       runs
	admission  admission
	redelivery redelivery
	settlement settlement
	pause      queueSuspension
	paused     bool // by the application
	blocked    int  // dead letters that could not be written yet
}

// connect makes the parts know each other.
func (d *delivery) connect(q *Queue) {
	a := &d.assignment
	a.queue = q
	d.redelivery.assignment, d.pause.assignment = a, a
	d.settlement.assignment, d.settlement.redelivery, d.settlement.pause = a, &d.redelivery, &d.pause
	d.admission.assignment, d.admission.redelivery = a, &d.redelivery
	d.runs.assignment, d.runs.settlement = a, &d.settlement
}

// mayDeliver tells whether messages may be handed out, as far as the queue as a whole is concerned.
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

// hasWork tells whether someone who comes finds something to do.
func (d *delivery) hasWork() bool {
	a := &d.assignment
	if !d.mayDeliver() {
		return false
	}
	if a.queue.pool.batches() {
		return !d.runs.batching && (d.admission.mayDecodeDue() || d.batchSettled() &&
			(a.ready.length > 0 && !a.limits.inFlight.Waiting() || a.ready.length == 0 && d.admission.mayDecode()))
	}
	if d.runs.running >= a.queue.pool.share() {
		return false
	}
	if a.ready.length > 0 {
		return !a.limits.inFlight.Waiting() || d.admission.mayDecodeDue()
	}
	return d.admission.mayDecode()
}

// announce has the queue served if there is something to do.
func (d *delivery) announce() {
	if d.hasWork() {
		d.assignment.queue.pool.sched.ready(d.assignment.queue)
	}
}

// changed is called when something happened that is not followed by next: a delivery was settled by
// the application itself, or is due.
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
		trying := d.pause.triesNow()
		if trying {
			most = 1
		}
		before := a.ready.length
		if d.runs.take(r, most); r.end > 0 {
			if trying {
				d.pause.tries(r.messages[0])
			}
			return stepHandle, nil
		}
		if a.ready.length == before { // there was no room
			return stepNone, nil
		}
	}
	return stepNone, nil
}

// batchSettled tells whether the messages of the last batch are settled, or all ready to be
// delivered again: then the next one may begin. So a key stays in order. With manual
// acknowledgement, those that the handler kept do not count.
func (d *delivery) batchSettled() bool {
	a := &d.assignment
	return a.waiting() == 0 && a.counts[stateDeadLetter] == 0
}

// collect takes the ready messages for a batch, and has so many more decoded that they make one.
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
	again := a.counts[stateRetry] + a.counts[stateGivenBack]
	if again > 0 { // they may be behind newer ones
		a.sortReady()
	}
	if d.runs.takeBatch(r, min(most, a.ready.length), min(again, most)); r.end == 0 {
		return stepNone, nil
	}
	return stepHandle, nil
}

// givenBack makes a message ready again, before all others, that the application gave back. held is
// the room that its predecessor had for its decompressed payload.
func (d *delivery) givenBack(m *Message, held int) {
	a := &d.assignment
	if a.phase == PhaseLost {
		return
	}
	a.limits.decompressed.Give(held - m.Decompressed)
	if a.phase != PhaseResting {
		d.runs.recallAll() // what they took is behind it
	}
	m.given = true
	a.setState(m, stateGivenBack)
	a.ready.unshift(m)
	d.changed()
}
