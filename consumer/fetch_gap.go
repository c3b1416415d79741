package consumer

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// gap looks after a jump: the log goes on at first instead of at the expected
// position, since messages were deleted by retention or lost. It tells whether to
// go on. p.mu is held.
func (p *partition) handleGap(first uint64) bool {
	if first < p.position {
		// The server answered from before what was asked: not a gap, but
		// nothing to trust either.
		p.needsVerify = true
		p.e.wakeMembership()
		return false
	}
	missing := first - p.position
	p.counters.gaps++
	p.counters.gapMessages += int64(missing)
	expected := p.position
	p.deferLog(func() {
		p.log.Warn("messages are missing from the log", zap.Uint64("expected", expected), zap.Uint64("offset", first), zap.Uint64("count", missing))
	})
	if p.e.cfg.OnGap != config.GapStop {
		return true
	}
	p.stopFetching(fmt.Errorf("iggy: %s/%s/%d: offset %d was expected and the log goes on at %d (on_gap: stop)",
		p.e.identity.Stream, p.e.identity.Topic, p.id, p.position, first))
	return false
}

// stop ends fetching for good; what is in hand is finished. p.mu is held.
func (p *partition) stopFetching(why error) {
	p.stopErr = why
	p.e.setLastError(why)
	p.deferLog(func() { p.log.Error("partition stopped", zap.Error(why)) })
}
