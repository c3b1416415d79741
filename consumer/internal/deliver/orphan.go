package deliver

// orphan is a delivery of a lost queue that is still in flight. It counts for the in-flight limit, and
// its partition delivers nothing, until the application settles it: otherwise more messages than the
// limit could be in flight, and one of them twice. The orphan of a message to which the application
// does not refer any more ends when the garbage collector finds the message; so an orphan refers to
// no message.
type orphan struct {
	queue *Queue
	ended bool // guarded by the queue's lock
}

// orphanInFlight makes orphans of the messages in flight, and returns their number. The queue is lost, and its lock is held.
func (a *assignment) orphanInFlight() (n int) {
	for m := a.inFlight.first; m != nil; n++ {
		next := m.next
		m.prev, m.next, m.lane = nil, nil, nil // otherwise each would keep the others
		o := &orphan{queue: a.queue}
		m.orphan = o
		a.queue.pool.app.OnForgotten(m, o.forgotten)
		m = next
	}
	a.inFlight = messageSet{}
	a.queue.partition.orphans.Add(int64(n))
	return n
}

// releaseOrphan ends the orphan of a delivery that the application has settled, if it is one.
func (a *assignment) releaseOrphan(m *Message) {
	if m.orphan != nil {
		a.endOrphan(m.orphan)
	}
}

// endOrphan ends an orphan. Only the first call has an effect.
func (a *assignment) endOrphan(o *orphan) {
	if o.ended {
		return
	}
	o.ended = true
	a.limits.inFlight.GiveOrphaned(1)
	a.queue.partition.endOrphans(1)
}

// forgotten ends an orphan whose message was garbage.
func (o *orphan) forgotten() {
	q := o.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.d.assignment.endOrphan(o)
}
