package watch

import "time"

// Pace is pace.
type Pace struct{ pace }

// NewPace returns a pace with the default intervals.
func NewPace(now time.Time) *Pace {
	p := &Pace{pace{least: time.Millisecond, most: 50 * time.Millisecond}}
	p.read(now)
	return p
}

// Found is pace.found.
func (p *Pace) Found(now time.Time) { p.found(now) }

// Wait is pace.wait.
func (p *Pace) Wait(now time.Time) time.Duration { return p.wait(now) }

// Watched returns how many topics have members.
func (t *Topics) Watched() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.topics)
}
