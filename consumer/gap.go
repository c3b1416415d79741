package consumer

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// gap looks after a jump: the log goes on at first instead of at the expected
// position, since messages were deleted by retention or lost. It tells whether to
// go on. p.mu is held.
func (p *partition) gap(first uint64) bool {
	if first < p.position {
		// The server answered from before what was asked: not a gap, but
		// nothing to trust either.
		p.suspect = true
		p.e.kick()
		return false
	}
	missing := first - p.position
	p.tally.gaps++
	p.tally.gapMessages += int64(missing)
	expected := p.position
	p.say(func() {
		p.log.Warn("messages are missing from the log", zap.Uint64("expected", expected), zap.Uint64("offset", first), zap.Uint64("count", missing))
	})
	if p.e.cfg.OnGap != config.GapStop {
		return true
	}
	p.stop(fmt.Errorf("iggy: %s/%s/%d: offset %d was expected and the log goes on at %d (on_gap: stop)",
		p.e.who.Stream, p.e.who.Topic, p.id, p.position, first))
	return false
}

// stop ends fetching for good; what is in hand is finished. p.mu is held.
func (p *partition) stop(why error) {
	p.stopped = why
	p.e.note(why)
	p.say(func() { p.log.Error("partition stopped", zap.Error(why)) })
}

// say has something logged when p.mu is released: writing a log is I/O. p.mu is held.
func (p *partition) say(entry func()) { p.unsaid = append(p.unsaid, entry) }

// speak logs what was left to say.
func (p *partition) speak() {
	p.mu.Lock()
	entries := p.unsaid
	p.unsaid = nil
	p.mu.Unlock()
	for _, entry := range entries {
		entry()
	}
}
