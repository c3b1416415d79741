package deliver

// actions is what has to be done after the lock of a queue is released.
type actions struct {
	released      *Batch // through Batch.next
	entries       []Entry
	errs          []error
	batchAdmitted bool
	recall        bool // this queue is suspended
	suspended     bool // all queues are suspended
	resumed       bool // the suspension of all queues, or a trial in it, has ended
	drained       bool
}

// release adds a batch whose memory is given back, since its last message is settled.
func (a *actions) release(b *Batch) {
	b.next = a.released
	a.released = b
}

// log adds an entry for the log.
func (a *actions) log(e Entry) { a.entries = append(a.entries, e) }

// do does all of it. The queue's lock is not held; the lock of the cursor is, after an offer.
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
