package deliver

// actions is what is to be done when the lock of a queue is released.
type actions struct {
	released *Batch // through Batch.next
	entries  []Entry
	notes    []error
	wantMore bool
	// recall, suspended and resumed follow from a suspension: of this queue, of all queues, and its end.
	recall, suspended, resumed bool
	drained                    bool
}

// release has the memory of a batch given back whose last message is settled.
func (a *actions) release(b *Batch) {
	b.next = a.released
	a.released = b
}

// log has an entry logged.
func (a *actions) log(e Entry) { a.entries = append(a.entries, e) }

// do does it. No lock is held.
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
	for _, err := range a.notes {
		q.owner.Note(err)
	}
	switch {
	case a.suspended:
		q.pool.suspension.reconsider(true)
	case a.resumed:
		q.pool.suspension.reconsider(false)
	}
	if a.recall {
		q.reconsider(true)
	}
	if a.wantMore {
		q.owner.WantMore()
	}
	if a.drained {
		q.owner.Drained()
	}
}
