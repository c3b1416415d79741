package group

import "time"

// schedule is when the loop has to look at the clock again. It is made anew each time the loop
// looks at what is due.
type schedule struct{ next time.Time }

// due tells whether t has come, and has the loop wait for it otherwise.
func (s *schedule) due(t time.Time) bool {
	if !t.After(time.Now()) {
		return true
	}
	if s.next.IsZero() || t.Before(s.next) {
		s.next = t
	}
	return false
}

// wait is how long until then; false when nothing waits for time.
func (s *schedule) wait() (time.Duration, bool) {
	if s.next.IsZero() {
		return 0, false
	}
	return max(time.Until(s.next), 0), true
}
