package group

import "time"

// schedule is when the timer of the loop expires. It is made anew each time the loop does what is
// due.
type schedule struct{ next time.Time }

// due reports whether t has passed, and otherwise has the timer expire at t.
func (s *schedule) due(t time.Time) bool {
	if !t.After(time.Now()) {
		return true
	}
	if s.next.IsZero() || t.Before(s.next) {
		s.next = t
	}
	return false
}

// wait returns how long the timer runs; false when nothing waits for it.
func (s *schedule) wait() (time.Duration, bool) {
	if s.next.IsZero() {
		return 0, false
	}
	return max(time.Until(s.next), 0), true
}
