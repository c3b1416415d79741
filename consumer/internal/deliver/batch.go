package deliver

// serveBatch handles one batch of the queue, and returns how many messages it had.
func (w *worker) serveBatch(q *Queue) int {
	for first := true; ; first = false {
		what, c := w.nextBatch(q, first)
		switch what {
		case stepDecode:
			w.decode(q, c)
		case stepHandle:
			n := len(w.run.messages)
			w.run.place.Add(uint64(n)) // all begin
			w.endBatch(q, q.pool.handleBatch(w.run.messages))
			return n
		default:
			return 0
		}
	}
}

// nextBatch gets the next batch, or a chunk to decode for it. first tells that the worker has not
// begun to collect a batch; only one worker does so at a time.
func (w *worker) nextBatch(q *Queue, first bool) (step, *chunk) {
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
func (w *worker) endBatch(q *Queue, err error) {
	q.update(func(d *delivery) {
		d.runs.endBatch(&w.run, err)
		d.changed()
	})
}

// takeBatch fills a run with up to most ready messages, as far as there is room in flight. The
// first retried ones failed together: there is room for all of them, or none is taken.
func (r *runs) takeBatch(to *run, most, retried int) {
	inFlight := r.assignment.limits.inFlight
	var room int
	if retried == 0 {
		room = inFlight.Take(most, 1)
	} else if room = inFlight.TakeAll(retried); room == retried && most > retried {
		room += inFlight.TryTake(most - retried)
	}
	r.fill(to, room)
}
