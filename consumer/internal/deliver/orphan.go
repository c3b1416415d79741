package deliver

// orphan is a delivery of a lost queue that the application still holds. It counts as in flight,
// and nothing of its partition is handed out, until the application is done with it: else there
// would be more messages with the application than there may be, and the same one twice. One whose
// message the application has forgotten is noticed when its memory is collected; so an orphan
// refers to no message.
type orphan struct {
	queue *Queue
	gone  bool // guarded by the queue's lock
}

// orphanInFlight makes orphans of the messages that are with the application, and returns their
// number. The queue is lost, and its lock is held.
func (a *assignment) orphanInFlight() (n int) {
	for m := a.inFlight.first; m != nil; n++ {
		next := m.next
		m.prev, m.next, m.lane = nil, nil, nil // or each would keep the others
		o := &orphan{queue: a.queue}
		m.orphan = o
		a.queue.pool.app.OnForgotten(m, o.forgotten)
		m = next
	}
	a.inFlight = messageSet{}
	a.queue.partition.orphans.Add(int64(n))
	return n
}

// doneWith says that the application is done with a delivery that is not current: it may be an
// orphan.
func (a *assignment) doneWith(m *Message) {
	if m.orphan != nil {
		a.endOrphan(m.orphan)
	}
}

func (a *assignment) endOrphan(o *orphan) {
	if o.gone {
		return
	}
	o.gone = true
	a.limits.inFlight.GiveOrphaned(1)
	a.queue.partition.orphansGone(1)
}

// forgotten ends an orphan whose message was collected.
func (o *orphan) forgotten() {
	q := o.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.d.assignment.endOrphan(o)
}
