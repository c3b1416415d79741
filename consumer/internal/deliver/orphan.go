package deliver

// orphan is a delivery of a lost queue that is still in flight. Until the application settles it,
// it counts for the in-flight limit, and its partition delivers nothing. Otherwise more messages
// than the limit could be in flight, and one of them twice. An orphan also ends when the garbage
// collector finds that its message is unreachable, so it does not refer to the message.
type orphan struct {
	queue *Queue
	ended bool // guarded by the queue's lock
}

// orphanInFlight makes orphans of the messages in flight, and returns their number. The queue is
// lost, and its lock is held.
func (a *assignment) orphanInFlight() (n int) {
	for m := a.inFlight.first; m != nil; n++ {
		next := m.next
		m.prev, m.next, m.lane = nil, nil, nil // otherwise each would keep the others
		o := &orphan{queue: a.queue}
		m.orphan = o
		a.queue.pool.app.OnUnreachable(m, o.unreachable)
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

// unreachable ends an orphan whose message is unreachable.
func (o *orphan) unreachable() {
	q := o.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.d.assignment.endOrphan(o)
}
