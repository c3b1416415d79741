package fetch

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// applyGap applies a jump of the offset: the log continues at first and not at the position, since
// messages were deleted by retention or lost. It reports whether reading continues. c.mu is held.
func (c *Cursor) applyGap(first uint64, after []func()) (proceed bool, also []func()) {
	cfg, expected := &c.fetcher.cfg, c.place.position
	if first < expected {
		// Not a gap: the answer does not fit the position.
		return false, c.requireVerify(after)
	}
	missing := first - expected
	c.counters.Gaps++
	c.counters.GapMessages += int64(missing)
	after = append(after, func() {
		c.log.Warn("messages missing from the log", zap.Uint64("expected", expected), zap.Uint64("offset", first), zap.Uint64("count", missing))
	})
	if !cfg.StopAtGap {
		return true, after
	}
	c.state = Failed
	c.failure = gapError(cfg.Consumer, c.id, expected, first)
	err := c.failure
	return false, append(after, func() { c.owner.Failed(c.id, err) })
}

// gapError says that on_gap stopped a partition.
func gapError(who transport.Consumer, partition uint32, expected, first uint64) error {
	return fmt.Errorf("iggy: %s/%s/%d: offset %d was expected and the log continues at %d (on_gap: stop)",
		who.Stream, who.Topic, partition, expected, first)
}
