package group

import "time"

// condition is a fault that lasts for some time. It is logged when it begins, at most once a minute
// while it lasts, and when it ends.
type condition struct{ since, logged time.Time }

const conditionInterval = time.Minute

// holds notes that the fault is there, and reports whether that is to be logged.
func (c *condition) holds() bool {
	now := time.Now()
	if c.since.IsZero() {
		c.since = now
	}
	if !c.logged.IsZero() && now.Sub(c.logged) < conditionInterval {
		return false
	}
	c.logged = now
	return true
}

// over ends the fault, and returns whether there was one and how long it lasted.
func (c *condition) over() (lasted time.Duration, was bool) {
	lasted, was = time.Since(c.since), !c.since.IsZero()
	*c = condition{}
	return lasted, was
}
