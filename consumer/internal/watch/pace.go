package watch

import (
	"slices"
	"time"
)

const (
	// rememberedPauses is the number of pauses that are remembered.
	rememberedPauses = 8
	// longestPause is the longest pause after which messages are expected: a topic without messages
	// for longer is idle, and its pauses are forgotten.
	longestPause = 5 * time.Second
)

// pace says when the next look at a topic is due.
//
// After messages came, the interval is the time since then, so it doubles from look to look, up to
// most. That is how a topic is looked at of which nothing is known. The last pauses between messages
// tell when to expect the next ones: after three quarters of the shortest and until twice the longest
// pause. For that time the interval is at most a third of most, and at most a quarter of the time
// since messages came.
type pace struct {
	least, most time.Duration

	last   time.Time       // when messages came last
	pauses []time.Duration // between messages, the last ones
}

// found notes messages that a look has found, after a pause.
func (p *pace) found(now time.Time) {
	switch pause := now.Sub(p.last); {
	case pause > longestPause:
		p.pauses = p.pauses[:0]
	default:
		if len(p.pauses) == rememberedPauses {
			p.pauses = slices.Delete(p.pauses, 0, 1)
		}
		p.pauses = append(p.pauses, pause)
	}
	p.last = now
}

// read notes messages that were read, of those that a look has found.
func (p *pace) read(now time.Time) { p.last = now }

// wait returns how long to wait for the next look.
func (p *pace) wait(now time.Time) time.Duration {
	since := now.Sub(p.last)
	wait := min(since, p.most)
	if len(p.pauses) > 0 {
		from, until := slices.Min(p.pauses)*3/4, min(2*slices.Max(p.pauses), longestPause)
		switch {
		case since < from:
			wait = min(wait, from-since)
		case since < until:
			wait = min(wait, since/4, p.most/3)
		}
	}
	return max(wait, p.least)
}
