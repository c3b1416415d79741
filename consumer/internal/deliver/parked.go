package deliver

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// maxParkedWait is the longest time after which the first message of a partition of parked messages is
// looked at again: the clock may have changed.
const maxParkedWait = time.Minute

// parkedWait is the wait for the first message in the prefetch buffer of a partition of parked messages.
// Until it leaves the partition, neither it nor those behind it are admitted. The queue's lock guards it.
type parkedWait struct {
	timer *time.Timer
	at    time.Time // when the timer expires; zero: it does not run

	// leave is when the message at offset leaves; only when known.
	leave  time.Time
	offset uint64
	known  bool
}

// leaves returns when the first message in the buffer, a parked one, leaves the partition.
func (n *admission) leaves() time.Time {
	q := n.assignment.queue
	w, m := &n.parked, &n.buffer[0].messages[0]
	if !w.known || w.offset != m.Offset {
		w.leave, w.offset, w.known = q.leave(m), m.Offset, true
	}
	return w.leave
}

// leaving returns how many of the messages leave the partition now; the first one does.
func (n *admission) leaving(messages []wire.Message) int {
	q := n.assignment.queue
	if !q.parked() {
		return len(messages)
	}
	now := time.Now()
	for i := 1; i < len(messages); i++ {
		if q.leave(&messages[i]).After(now) {
			return i
		}
	}
	return len(messages)
}

// awaitFirst has the queue look again when the first message leaves the partition.
func (n *admission) awaitFirst() {
	w, q := &n.parked, n.assignment.queue
	leave := n.leaves()
	at := time.Now().Add(min(time.Until(leave), maxParkedWait))
	if !w.at.IsZero() && !w.at.After(at) {
		return
	}
	w.stop()
	w.at = at
	w.timer = time.AfterFunc(time.Until(at), q.firstLeaves)
}

func (w *parkedWait) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.at = time.Time{}
}

// firstLeaves is called when the wait for the first message ends.
func (q *Queue) firstLeaves() {
	q.update(func(d *delivery) {
		d.admission.parked.at = time.Time{}
		if d.assignment.phase != PhaseLost {
			d.announce()
		}
	})
}

// postpone has a parked message wait whose delivery is not due, in place of delivering it: in memory for
// a short time, and in another partition of the parked messages otherwise. It reports false when the
// message is due. There is room in flight for it.
func (s *settlement) postpone(m *Message) bool {
	a := s.assignment
	delay := time.Until(m.Parked.Due)
	if delay <= 0 {
		return false
	}
	a.delivered = max(a.delivered, m.seq+1)
	if delay > a.queue.pool.policy.parkAfter {
		s.begin(&transfer{message: m, attempts: m.Attempts() - 1, due: m.Parked.Due, moved: true})
	} else {
		s.redelivery.await(m, delay)
	}
	return true
}

// parkWaiting parks the messages of a partition of parked messages again that wait in memory: the next
// owner of the partition gets neither them, with fewer attempts, nor what is acknowledged behind them.
func (d *delivery) parkWaiting() {
	a, r := &d.assignment, &d.redelivery
	for t := range r.timers {
		t.timer.Stop()
		for _, m := range t.messages {
			a.limits.waiting.Give(1)
			a.limits.waitingBytes.Give(size(m.Raw))
			a.limits.inFlight.Force(1)
			d.settlement.begin(&transfer{message: m, attempts: m.Attempts() - 1, due: t.at, moved: true})
		}
	}
	clear(r.timers)
}
