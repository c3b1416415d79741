// Package fault notes a fault that lasts for some time: since when, why, and when it is logged. It
// is logged when it begins, at most once a minute while it lasts, and when it ends. The component
// that has the fault owns it, and guards it.
package fault

import "time"

// interval is how often a fault is logged at most while it lasts.
const interval = time.Minute

// Fault is the state of one fault. The zero Fault is not active. It is not safe for concurrent use.
type Fault struct {
	active        bool
	cause         error
	since, logged time.Time
}

// Occurred makes the fault active because of cause, and reports whether that is to be logged.
func (f *Fault) Occurred(cause error) (log bool) {
	now := time.Now()
	if !f.active {
		f.active, f.since = true, now
	}
	f.cause = cause
	if !f.logged.IsZero() && now.Sub(f.logged) < interval {
		return false
	}
	f.logged = now
	return true
}

// End ends the fault. It returns whether it was active, and for how long.
func (f *Fault) End() (lasted time.Duration, was bool) {
	if was = f.active; was {
		lasted = time.Since(f.since)
	}
	*f = Fault{}
	return lasted, was
}

// Active reports whether the fault lasts.
func (f *Fault) Active() bool { return f.active }

// Cause returns the latest cause; nil when the fault is not active.
func (f *Fault) Cause() error { return f.cause }
