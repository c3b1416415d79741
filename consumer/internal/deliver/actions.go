package deliver

// actions is what has to be done after the lock of a queue is released.
type actions struct {
	released      *Batch // through Batch.next
	entries       []Entry
	errs          []error
	batchAdmitted bool
	// recall, suspended and resumed follow from a suspension: of this queue, of all queues, and its end.
	recall, suspended, resumed bool
	drained                    bool
}

// release adds a batch whose memory is given back, since its last message is settled.
func (a *actions) release(b *Batch) {
	b.next = a.released
	a.released = b
}

// log adds an entry for the log.
func (a *actions) log(e Entry) { a.entries = append(a.entries, e) }

// do does all of it. No lock is held.
func (a *actions) do(q *Queue) {
	for b := a.released; b != nil; {
		next := b.next
		b.next = nil
		if b.recycle != nil {
			b.recycle()
		}
		if b.release != nil {
			b.release()
		}
		b = next
	}
	for _, e := range a.entries {
		q.owner.Log(e)
	}
	for _, err := range a.errs {
		q.owner.ReportError(err)
	}
	switch {
	case a.suspended:
		q.pool.suspension.recheck(true)
	case a.resumed:
		q.pool.suspension.recheck(false)
	}
	if a.recall {
		q.recheck(true)
	}
	if a.batchAdmitted {
		q.owner.BatchAdmitted()
	}
	if a.drained {
		q.owner.Drained()
	}
}
