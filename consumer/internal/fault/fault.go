// Package fault notes a fault that lasts for some time: since when, why, and when it is logged. It is
// logged when it begins, at most once a minute while it lasts, and when it ends. The component that
// has the fault owns it, and guards it.
package fault

import "time"

// interval is how often a fault is logged at most while it lasts.
const interval = time.Minute

// Fault is a fault that may be there. The zero Fault is not there. It is not safe for concurrent use.
type Fault struct {
	there         bool
	cause         error
	since, logged time.Time
}

// Occurred notes that the fault is there because of cause, and reports whether that is to be logged.
func (f *Fault) Occurred(cause error) (log bool) {
	now := time.Now()
	if !f.there {
		f.there, f.since = true, now
	}
	f.cause = cause
	if !f.logged.IsZero() && now.Sub(f.logged) < interval {
		return false
	}
	f.logged = now
	return true
}

// End ends the fault. It returns whether it was there, and for how long.
func (f *Fault) End() (lasted time.Duration, was bool) {
	if was = f.there; was {
		lasted = time.Since(f.since)
	}
	*f = Fault{}
	return lasted, was
}

// There reports whether the fault is there.
func (f *Fault) There() bool { return f.there }

// Cause returns why the fault is there; nil when it is not.
func (f *Fault) Cause() error { return f.cause }
