package group

import "time"

// condition is something that lasts. It is logged when it begins, at most once a minute while it
// lasts, and when it ends.
type condition struct{ since, logged time.Time }

const conditionInterval = time.Minute

// again notes that it is so still, and tells whether that is to be logged.
func (c *condition) again() bool {
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

// over ends it, and tells whether it had begun and how long it lasted.
func (c *condition) over() (lasted time.Duration, was bool) {
	lasted, was = time.Since(c.since), !c.since.IsZero()
	*c = condition{}
	return lasted, was
}
