package consumer

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// partition is one assignment of a partition: its cursor reads the log, its queue delivers, and its
// commits store what is acknowledged. It connects these three, and has no lock and no state of its
// own. When the partition is moved to another offset or assigned again, it gets a new one.
type partition struct {
	e          *engine
	id         uint32
	epoch      uint64
	history    *history
	log        *zap.Logger
	queue      *deliver.Queue
	cursor     *fetch.Cursor
	store      offsetStore
	commits    *commit.Partition
	prefetched *quota.Member // bytes
	resets     int64         // 1 if it began after a reset
}

// history is what outlives the assignments of a partition.
type history struct {
	fetch   *fetch.History
	deliver *deliver.Partition
	commits commit.Lock
}

// newPartition makes an assignment that begins at the given place.
func (e *engine) newPartition(s group.Session, c group.Claim, h *history, at fetch.Start, stored commit.Stored) *partition {
	p := &partition{e: e, id: c.Partition, epoch: c.Epoch, history: h, store: e.store(s, c.Partition), log: e.log.With(zap.Uint32("partition", c.Partition))}
	prefix := commit.Prefix{Offset: at.Prefix, Any: at.HasPrefix}
	var store commit.Store
	if e.storesOffsets && !e.atMostOnce {
		store = p.store
	}
	p.commits = e.committer.NewPartition(p, store, h.commits, prefix, stored)
	p.queue = h.deliver.NewQueue(e.ctx, deliver.QueueOptions{
		Owner: p, Progress: p.commits,
		Acknowledged: at.Prefix, HasAcknowledged: at.HasPrefix, Paused: c.Paused, Replay: at.Replay, Leave: e.leave(c.Partition),
	})
	p.prefetched = e.prefetched.NewMember(func() { p.cursor.Wake() }, quota.Overdraw())
	p.cursor = e.fetchers.of(s).NewCursor(c.Partition, at, p, p, p.prefetched, h.fetch, c.Paused)
	if at.Reset != "" {
		p.resets = 1
	}
	return p
}

// Offer implements fetch.Queue.
func (p *partition) Offer(b *fetch.Batch) {
	bytes := b.Bytes
	p.queue.Offer(deliver.NewBatch(b.Messages, bytes, b.Recycle, func() { p.prefetched.Give(bytes) }))
}

// Buffered implements fetch.Queue.
func (p *partition) Buffered() int {
	batches, _, _ := p.queue.Buffered()
	return batches
}

// NeedsVerify implements fetch.Owner.
func (p *partition) NeedsVerify(uint32) { p.e.machine.NeedsVerify(p.id) }

// Stopped implements fetch.Owner.
func (p *partition) Stopped(uint32) { p.Drained() }

// Failed implements fetch.Owner.
func (p *partition) Failed(_ uint32, err error) {
	p.e.problems.note(err)
	p.log.Error("partition stopped", zap.Error(err))
}

// Drained implements deliver.Owner.
func (p *partition) Drained() { p.e.machine.Drained() }

// BatchAdmitted implements deliver.Owner.
func (p *partition) BatchAdmitted() { p.cursor.Wake() }

// ReportError implements deliver.Owner.
func (p *partition) ReportError(err error) { p.e.problems.note(err) }

// Log implements deliver.Owner.
func (p *partition) Log(entry deliver.Entry) {
	if checked := p.log.Check(entry.Level, entry.Text); checked != nil {
		checked.Write(append(entry.Fields(), traceOf(p.e.headersOf(&wire.Message{Headers: entry.Headers}))...)...)
	}
}

// Stored implements commit.Owner: an offset was stored.
func (p *partition) Stored(prefix commit.Prefix, failed time.Duration) {
	if failed > 0 {
		p.log.Info("commits work again", zap.Uint64("offset", prefix.Offset), zap.Duration("elapsed", failed))
	}
	p.history.fetch.Stored(prefix.Offset, prefix.Timestamp)
	p.queue.CommitAdvanced()
}

// end ends the assignment; discard tells that the application itself moved the partition. It
// returns how many messages were unfinished, and whether this was the first call.
func (p *partition) end(cause error, discard bool) (unfinished int, first bool) {
	p.cursor.Close()
	if discard {
		unfinished, first = p.queue.Discard(cause)
	} else {
		unfinished, first = p.queue.Lose(cause)
	}
	if !first {
		return 0, false
	}
	if prefix := p.commits.State().Prefix; prefix.Any && prefix.Timestamp != 0 && !discard {
		p.history.fetch.Update(func(r *fetch.Remembered) {
			r.Next, r.HasNext, r.Timestamp = prefix.Offset+1, true, prefix.Timestamp
		})
	}
	p.commits.Lose(cause)
	p.prefetched.Leave(0)
	return unfinished, true
}

// summary returns the state of the partition for the group.
func (p *partition) summary() group.Summary {
	at, d := p.cursor.Status(), p.queue.State()
	prefix := p.commits.State().Prefix
	_, buffered, _ := p.queue.Buffered()
	return group.Summary{
		Acknowledged: prefix.Any, Prefix: prefix.Offset, Polled: at.Polled,
		Delivered: d.Delivered, Fetched: buffered > 0 || d.Admitted > 0,
		Unfinished: d.Unfinished, Waiting: d.Idle, Uncommitted: d.Uncommitted, OnlyWaiting: d.OnlyWaits,
		Drained: d.Drained && !at.Polling,
	}
}

// status returns the status of the partition for the application.
func (p *partition) status(now time.Time) PartitionStatus {
	at, d, committed := p.cursor.Status(), p.queue.State(), p.commits.State()
	s := PartitionStatus{
		ID: p.id, Position: at.Position, Committed: committed.Stored.Offset, HasCommitted: committed.Stored.Any, End: at.End,
		InFlight: d.InFlight, Waiting: d.Waiting, Leaving: d.Phase == deliver.PhaseDraining || d.Phase == deliver.PhaseIdle, Paused: d.Paused, Blocked: d.Blocked, Stopped: at.Failure,
		WaitingFull: d.Limit == deliver.LimitWaiting, Unavailable: d.Unavailable,
		PollError: at.Refused, CommitError: committed.Failure,
	}
	reached := at.Position
	switch {
	case committed.Prefix.Any:
		reached = committed.Prefix.Offset + 1
	case d.HasNext:
		reached = d.Next
	}
	if at.End > reached {
		s.Lag = at.End - reached
	}
	if !d.Oldest.IsZero() {
		s.OldestAge = max(now.Sub(d.Oldest), 0)
	}
	return s
}

// counters returns the counters of the partition.
func (p *partition) counters() counters {
	return counters{
		fetched: p.cursor.Status().Counters, delivered: p.queue.Counters(),
		commits: p.commits.State().Commits, resets: p.resets,
	}
}

// problem returns an error of the partition for the status.
func (p *partition) problem(what string, err error) error {
	return fmt.Errorf("iggy: %s %s/%d: %w", what, p.e.identity.Topic, p.id, err)
}
