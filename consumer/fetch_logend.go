package consumer

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// checksPerInterval is how many checks in a row may find nothing before their interval is doubled:
// messages that arrive every few milliseconds are noticed at once.
const checksPerInterval = 4

// watchLogEnds asks for the ends of the logs while partitions are read to their ends, in one
// request for all of them: there is no long polling. It asks soon after messages arrived, and less
// and less often while none do.
func (f *fetcher) watchLogEnds(ctx context.Context) {
	least := f.e.cfg.PollIntervalMin
	pause, emptyChecks := least, 0
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.arrivals:
			emptyChecks = 0
			if pause > least {
				pause = least
				timer.Reset(pause)
			}
			continue
		case <-timer.C:
		}
		if emptyChecks++; f.checkLogEnds(ctx) {
			pause, emptyChecks = least, 0
		} else if emptyChecks%checksPerInterval == 0 {
			pause = min(2*pause, f.e.cfg.PollIntervalMax)
		}
		timer.Reset(coalesce(pause))
	}
}

// checkLogEnds compares the positions of the partitions that are read to their ends with the
// present ends, and reports whether there are messages to fetch.
func (f *fetcher) checkLogEnds(ctx context.Context) bool {
	type reached struct {
		p        *partition
		position uint64
	}
	var idle []reached
	assigned := f.e.assignedPartitions()
	for _, p := range assigned {
		p.mu.Lock()
		if p.phase == phaseActive && !p.mayHaveMore && !p.polling && !p.needsVerify && p.stopErr == nil {
			idle = append(idle, reached{p, p.position})
		}
		p.mu.Unlock()
	}
	if len(idle) == 0 {
		return false
	}
	var meta transport.Topic
	err := f.session.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		meta, err = c.Topic(ctx, f.e.identity.Stream, f.e.identity.Topic)
		return err
	})
	var status *iggyerr.StatusError
	if err != nil && !errors.As(err, &status) {
		return false // the membership notices the end of the session
	}
	found := false
	for _, at := range idle {
		at.p.mu.Lock()
		switch {
		case at.p.phase != phaseActive || at.p.mayHaveMore || at.p.polling || at.p.position != at.position:
		case err != nil:
			// Not permitted, or the topic is gone: a poll finds out.
			at.p.mayHaveMore, found = true, true
		default:
			found = f.compareLogEnd(at.p, meta) || found
		}
		at.p.mu.Unlock()
	}
	if err != nil {
		f.e.log.Debug("reading the topic failed, polling each partition", zap.Error(err))
	}
	if found {
		f.wakePollers()
	}
	return found && err == nil
}

// compareLogEnd compares the end of one partition. p.mu is held.
func (f *fetcher) compareLogEnd(p *partition, meta transport.Topic) bool {
	end, ok := partitionEnd(meta, p.id)
	switch {
	case !ok:
		return false
	case end < p.position && p.firstPoll == nil, end < p.logEnd:
		p.needsVerify = true
		f.e.wakeMembership()
		return false
	case p.firstPoll == nil && end > p.position || end > p.logEnd:
		p.logEnd, p.mayHaveMore = end, true
		return true
	}
	return false
}

// partitionEnd is the offset after the last message of a partition.
func partitionEnd(meta transport.Topic, id uint32) (end uint64, ok bool) {
	for _, q := range meta.Partitions {
		if q.ID != id {
			continue
		}
		if q.Messages == 0 && q.CurrentOffset == 0 {
			return 0, true
		}
		return q.CurrentOffset + 1, true
	}
	return 0, false
}

// raiseLogEnd sets a new end of the log: a partition with many prefetched messages is polled
// seldom, and its lag must be right, too. p.mu is held.
func (p *partition) raiseLogEnd(end uint64) {
	if end > p.logEnd {
		p.logEnd, p.mayHaveMore = end, true
	}
}
