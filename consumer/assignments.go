package consumer

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
)

// assignments is the partitions that are assigned to a consumer. It implements group.Partitions.
type assignments struct {
	e   *engine
	log fetch.Log

	mu        sync.Mutex
	byID      map[uint32]*partition // prepared ones and started ones
	started   []*partition          // by id; replaced, never changed
	histories map[uint32]*history
	past      counters // of former assignments
}

func newAssignments(e *engine) *assignments {
	return &assignments{e: e, log: fetch.Log{Consumer: e.identity}, byID: map[uint32]*partition{}, histories: map[uint32]*history{}}
}

// history returns what outlives the assignments of a partition.
func (a *assignments) history(id uint32) *history {
	a.mu.Lock()
	defer a.mu.Unlock()
	h, ok := a.histories[id]
	if !ok {
		h = &history{fetch: fetch.NewHistory(a.e.cfg.BatchSize), deliver: a.e.pool.NewPartition(a.e.identity.Topic, id), commits: commit.NewLock()}
		a.histories[id] = h
	}
	return h
}

// find returns the present assignment of a partition; nil when there is none.
func (a *assignments) find(id uint32) *partition {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byID[id]
}

// add makes p the present assignment of its partition.
func (a *assignments) add(p *partition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byID[p.id] = p
}

// list returns the started partitions, by id.
func (a *assignments) list() []*partition {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.started
}

// commits returns the commit sides of the started partitions.
func (a *assignments) commits() []*commit.Partition {
	started := a.list()
	all := make([]*commit.Partition, len(started))
	for i, p := range started {
		all[i] = p.commits
	}
	return all
}

// Start implements group.Partitions.
func (a *assignments) Start(ids ...uint32) {
	var added, resumed []*partition
	a.mu.Lock()
	for _, id := range ids {
		p := a.byID[id]
		switch {
		case p == nil:
		case slices.Contains(a.started, p):
			resumed = append(resumed, p)
		default:
			added = append(added, p)
		}
	}
	if len(added) > 0 {
		a.share(append(slices.Clone(a.started), added...))
	}
	a.mu.Unlock()
	for _, p := range resumed {
		p.queue.Resume()
		p.cursor.Resume()
	}
	for _, p := range added {
		p.queue.Resume() // it may have been drained before it was started
		p.cursor.Start()
	}
}

// share sets the partitions that are started and share the limits. a.mu is held.
func (a *assignments) share(started []*partition) {
	slices.SortFunc(started, func(p, q *partition) int { return int(p.id) - int(q.id) })
	a.started = started
	a.e.setStarted(a, started)
}

// Drain implements group.Partitions.
func (a *assignments) Drain(ids ...uint32) {
	for _, id := range ids {
		p := a.find(id)
		if p == nil {
			continue
		}
		p.cursor.Stop()
		if first, ok := p.queue.Drain(); ok {
			p.cursor.ReadFrom(first)
		}
	}
}

// Pause implements group.Partitions.
func (a *assignments) Pause(id uint32, paused bool) {
	if p := a.find(id); p != nil {
		p.queue.Pause(paused)
		p.cursor.Pause(paused)
	}
}

// Interrupt implements group.Partitions.
func (a *assignments) Interrupt(id uint32, cause error) {
	if p := a.find(id); p != nil {
		p.queue.Cancel(cause)
	}
}

// End implements group.Partitions.
func (a *assignments) End(id uint32, cause error) (unfinished int) { return a.end(id, cause, false) }

func (a *assignments) end(id uint32, cause error, discard bool) (unfinished int) {
	p := a.find(id)
	if p == nil {
		return 0
	}
	unfinished, first := p.end(cause, discard)
	if !first {
		return 0
	}
	a.mu.Lock()
	delete(a.byID, id)
	a.past.add(p.counters())
	if i := slices.Index(a.started, p); i >= 0 {
		a.share(slices.Delete(slices.Clone(a.started), i, i+1))
	}
	a.mu.Unlock()
	return unfinished
}

// Summary implements group.Partitions.
func (a *assignments) Summary(id uint32) (group.Summary, bool) {
	p := a.find(id)
	if p == nil {
		return group.Summary{}, false
	}
	s := p.summary()
	if !slices.Contains(a.list(), p) {
		s.Drained = true // it is prepared, and not started
	}
	return s, true
}

// Commit implements group.Partitions.
func (a *assignments) Commit(ctx context.Context, id uint32) error {
	p := a.find(id)
	if p == nil || a.e.atMostOnce || !a.e.storesOffsets {
		return nil
	}
	return resetError(p.commits.Commit(ctx))
}

// CommitAgain implements group.Partitions.
func (a *assignments) CommitAgain(ctx context.Context, id uint32) error {
	p := a.find(id)
	switch {
	case p == nil || !a.e.storesOffsets:
		return nil
	case a.e.atMostOnce:
		return p.store.Write(ctx, p.commits.State().Prefix.Offset)
	}
	return p.commits.CommitAgain(ctx)
}

// resetError returns err with a *commit.ResetError as the group knows it.
func resetError(err error) error {
	var reset *commit.ResetError
	if errors.As(err, &reset) {
		return &group.ResetError{Stored: reset.Now.Any, Offset: reset.Now.Offset}
	}
	return err
}

// counters returns the counters of all assignments so far.
func (a *assignments) counters() counters {
	a.mu.Lock()
	total, started := a.past, a.started
	a.mu.Unlock()
	for _, p := range started {
		total.add(p.counters())
	}
	return total
}
