package consumer

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// handleGap handles a gap: the log continues at first instead of at the expected position, since
// messages were deleted by retention or lost. It reports whether to continue. p.mu is held.
func (p *partition) handleGap(first uint64) bool {
	if first < p.position {
		// The server answered with messages before the requested offset: not a gap, but a reason to
		// verify.
		p.needsVerify = true
		p.e.wakeMembership()
		return false
	}
	missing := first - p.position
	p.counters.gaps++
	p.counters.gapMessages += int64(missing)
	expected := p.position
	p.deferLog(func() {
		p.log.Warn("messages missing from the log", zap.Uint64("expected", expected), zap.Uint64("offset", first), zap.Uint64("count", missing))
	})
	if p.e.cfg.OnGap != config.GapStop {
		return true
	}
	p.stopFetching(fmt.Errorf("iggy: %s/%s/%d: offset %d was expected and the log continues at %d (on_gap: stop)",
		p.e.identity.Stream, p.e.identity.Topic, p.id, p.position, first))
	return false
}

// stopFetching ends fetching for good; messages in flight are finished. p.mu is held.
func (p *partition) stopFetching(why error) {
	p.stopErr = why
	p.e.setLastError(why)
	p.deferLog(func() { p.log.Error("partition stopped", zap.Error(why)) })
}
