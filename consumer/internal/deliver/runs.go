package deliver

import "slices"

// runs are the runs of a queue that have messages to begin or to settle.
type runs struct {
	assignment *assignment
	settlement *settlement
	list       []*run
	spare      *run // to be reused, for callers of Next
	running    int  // handlers that are running
	batching   bool // a batch handler is running, or its batch is being collected
}

// take fills a run with up to want ready messages, as far as there is room in flight.
func (r *runs) take(to *run, want int) {
	a := r.assignment
	r.fill(to, a.limits.inFlight.Take(min(want, a.ready.length), 1))
}

// fill fills a run with as many ready messages as there is room for.
func (r *runs) fill(to *run, room int) {
	a := r.assignment
	to.reset()
	for range room {
		m := a.ready.pop()
		if m.Err != nil {
			r.settlement.refuse(m)
			continue
		}
		if m.Parked != nil && r.settlement.postpone(m) {
			continue
		}
		a.setState(m, stateInFlight)
		to.messages = append(to.messages, m)
	}
	if to.fill(); to.end > 0 {
		to.active = true
		r.list = append(r.list, to)
	}
}

// count counts the messages of a run that were begun as delivered.
func (r *runs) count(of *run) {
	a := r.assignment
	for begun := of.begun(); of.counted < begun; of.counted++ {
		m := of.messages[of.counted]
		a.counters.Delivered++
		if m.deliveries > 1 {
			a.counters.Redelivered++
		}
		m.givenBack = false
		a.delivered = max(a.delivered, m.seq+1)
	}
}

// countAll counts the messages of all runs that were begun.
func (r *runs) countAll() {
	for _, of := range r.list {
		r.count(of)
	}
}

// unbegun is how many messages of the runs are not begun.
func (r *runs) unbegun() (n int) {
	for _, of := range r.list {
		n += of.end - of.begun()
	}
	return n
}

// recall makes the messages of a run that were not begun ready again.
func (r *runs) recall(from *run) {
	end := from.end
	begun := from.close()
	r.count(from)
	for i := end - 1; i >= begun; i-- {
		r.assignment.takeBack(from.messages[i])
	}
}

// recallAll settles the messages of all runs that have an outcome, and recalls those not begun.
func (r *runs) recallAll() {
	for _, v := range slices.Backward(r.list) { // the last one has the later messages
		r.recall(v)
	}
	r.settleAll()
}

// settleAll applies the outcomes of all runs.
func (r *runs) settleAll() {
	for _, of := range r.list {
		r.settle(of)
	}
}

// settle applies the outcomes of a run.
func (r *runs) settle(of *run) {
	r.count(of)
	for done := int(of.done.Load()); of.settled < done; of.settled++ {
		r.settlement.apply(of.messages[of.settled], of.errs[of.settled])
		of.errs[of.settled] = nil
	}
}

// end ends a worker's run: the worker has returned from its handler.
func (r *runs) end(of *run) {
	if r.assignment.phase != PhaseLost {
		r.recall(of) // the handler may have ended the worker's goroutine
	}
	r.settle(of)
	r.endRun(of)
}

// endBatch ends the run of a batch handler that returned err.
func (r *runs) endBatch(of *run, err error) {
	r.count(of)
	r.settlement.applyToBatch(of.messages, err)
	r.endRun(of)
	r.batching = false
}

// endRun removes the run of a worker.
func (r *runs) endRun(of *run) {
	r.remove(of)
	of.reset()
	r.running--
	if r.assignment.phase == PhaseLost {
		r.assignment.queue.partition.endOrphans(1)
	}
}

// remove removes a run that has no messages to begin.
func (r *runs) remove(of *run) {
	r.count(of)
	of.active = false
	for i, other := range r.list {
		if other == of {
			last := len(r.list) - 1
			copy(r.list[i:], r.list[i+1:])
			r.list[last] = nil
			r.list = r.list[:last]
			return
		}
	}
}
