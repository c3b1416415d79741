package deliver

// serveBatch handles one batch of the queue, and returns how many messages it had.
func (q *Queue) serveBatch(w *worker) int {
	for first := true; ; first = false {
		what, c := q.nextBatch(w, first)
		switch what {
		case stepDecode:
			q.decode(c)
		case stepHandle:
			n := len(w.run.messages)
			w.run.place.Add(uint64(n)) // all begin
			q.endBatch(w, q.pool.handleBatch(w.run.messages))
			return n
		default:
			return 0
		}
	}
}

// nextBatch gets the worker the next batch, or a chunk to decode for it. first tells that it has
// not begun to collect one; only one worker does at a time.
func (q *Queue) nextBatch(w *worker, first bool) (step, *chunk) {
	q.mu.Lock()
	d := &q.d
	if first && !d.runs.batching && d.mayDeliver() && (d.admission.mayDecodeDue() || d.batchSettled()) {
		d.runs.batching, first = true, false
	}
	what, c := stepNone, (*chunk)(nil)
	if !first {
		what, c = d.collect(&w.run)
		switch what {
		case stepHandle:
			d.runs.running++
		case stepNone:
			d.runs.batching = false
			d.changed()
		}
	}
	after := d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
	return what, c
}

// endBatch settles the worker's batch, whose handler returned err.
func (q *Queue) endBatch(w *worker, err error) {
	q.mu.Lock()
	q.d.runs.endBatch(&w.run, err)
	q.d.changed()
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}

// takeBatch fills a run with up to most ready messages, as far as there is room in flight; the
// first again of them all at once.
func (r *runs) takeBatch(to *run, most, again int) {
	inFlight := r.assignment.limits.inFlight
	var room int
	if again == 0 {
		room = inFlight.Take(most, 1)
	} else if room = inFlight.TakeAll(again); room == again && most > again {
		room += inFlight.TryTake(most - again)
	}
	r.fill(to, room)
}
