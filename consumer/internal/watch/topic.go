package watch

import (
	"slices"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/coalesce"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
)

// topic is one watched topic. All its members wait for the timer, and the one that receives it looks
// for all: they take turns.
//
// A look that is not answered within the longest interval does not hold up the next one, which
// another member makes. So each member has at most one look in flight.
type topic struct {
	timer *time.Timer

	mu      sync.Mutex
	members []*Member
	pace    pace
	looks   int       // in flight
	next    time.Time // when the timer expires
}

// newTopic returns a topic without members.
func newTopic() *topic {
	t := &topic{timer: time.NewTimer(time.Hour)}
	t.timer.Stop()
	return t
}

// add adds a member. It may have something new to wait for, so the topic is looked at soon.
func (t *topic) add(m *Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.members = append(t.members, m)
	t.setIntervals()
	t.pace.read(time.Now())
	if len(t.members) == 1 {
		t.schedule(t.pace.least)
	} else {
		t.soon()
	}
}

// remove removes a member, and reports whether there are no others.
func (t *topic) remove(m *Member) (empty bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m.left = true
	t.members = slices.DeleteFunc(t.members, func(o *Member) bool { return o == m })
	if len(t.members) == 0 {
		t.timer.Stop()
		return true
	}
	t.setIntervals()
	return false
}

// setIntervals sets the lowest intervals of the members. t.mu is held.
func (t *topic) setIntervals() {
	i := t.members[0].intervals
	for _, m := range t.members[1:] {
		i.Min, i.Max = min(i.Min, m.intervals.Min), min(i.Max, m.intervals.Max)
	}
	t.pace.least, t.pace.most = i.Min, i.Max
}

// messagesRead has the topic looked at soon.
func (t *topic) messagesRead() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pace.read(time.Now())
	t.soon()
}

// soon has the next look be due after the least interval, unless the answer of one in flight decides
// that. Then it is due after the longest interval, in case there is no answer. t.mu is held.
func (t *topic) soon() {
	wait := t.pace.least
	if t.looks > 0 {
		wait = t.pace.most
	}
	if time.Until(t.next) > wait {
		t.schedule(wait)
	}
}

// schedule sets when the timer expires. t.mu is held.
func (t *topic) schedule(wait time.Duration) {
	if len(t.members) == 0 {
		return
	}
	wait = coalesce.Delay(wait)
	t.next = time.Now().Add(wait)
	t.timer.Reset(wait)
}

// look looks at the topic for all members that wait for messages. by makes the request.
func (t *topic) look(by *Member) {
	found, answered := false, true
	if waiting := t.waiting(); len(waiting) > 0 {
		found, answered = t.ask(by, waiting)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if found {
		t.pace.found(now)
	}
	wait := t.pace.wait(now)
	if due := t.next.Sub(now); !answered && due > 0 && due < wait {
		return // a look without an answer does not postpone those of others
	}
	t.schedule(wait)
}

// waiter is a member that waits for messages.
type waiter struct {
	*Member
	compare Compare
}

// waiting returns the members that wait for messages.
func (t *topic) waiting() []waiter {
	t.mu.Lock()
	members := slices.Clone(t.members)
	t.mu.Unlock()
	waiting := make([]waiter, 0, len(members))
	for _, m := range members {
		if !t.enter(m) {
			continue
		}
		if compare := m.reader.Waiting(); compare != nil {
			waiting = append(waiting, waiter{m, compare})
		}
		m.calls.Done()
	}
	return waiting
}

// ask makes the request of a look and has the members compare the answer. It reports whether there
// are messages, and whether there was an answer.
func (t *topic) ask(by *Member, waiting []waiter) (found, answered bool) {
	t.begin()
	meta, err := by.reader.Look()
	t.answered()
	refused := protocol.IsRefused(err)
	if err != nil && !refused {
		return false, false
	}
	for _, w := range waiting {
		if t.enter(w.Member) {
			found = w.compare(meta, err) || found
			w.calls.Done()
		}
	}
	return found && !refused, true
}

// begin notes a look, and has another member make the next one if there is no answer, also one that
// joins later.
func (t *topic) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looks++
	t.schedule(t.pace.most)
}

// answered notes the end of the request of a look.
func (t *topic) answered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looks--
}

// enter begins to call functions of a member; false when it has left.
func (t *topic) enter(m *Member) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.left {
		return false
	}
	m.calls.Add(1)
	return true
}
