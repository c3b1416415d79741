package commit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Stored is the offset that the server has stored for a partition.
type Stored struct {
	Offset uint64
	// Any tells whether one is stored; Offset is valid only then.
	Any bool
}

// Store reads and writes the stored offset of one partition on the server. An
// error of Read that Refused reports does not keep a commit from happening.
type Store interface {
	Read(ctx context.Context) (Stored, error)
	Write(ctx context.Context, offset uint64) error
	// Refused tells whether err is an answer of the server, and not the lack of one.
	Refused(err error) bool
}

// Owner hears of the commits of a partition. Its methods are called without a
// lock, one after another.
type Owner interface {
	// Stored tells that an offset was stored, and for how long commits had
	// failed before; 0 if they had not.
	Stored(offset uint64, failed time.Duration)
	// CommitFailed tells that an offset was not stored; a *ResetError says why
	// if someone else changed the stored offset. log tells that it is to be
	// logged: it is the first time since an offset was stored, or a minute has passed.
	CommitFailed(offset uint64, err error, log bool)
}

// ResetError says that someone else changed the stored offset: an operator
// moved or deleted it.
type ResetError struct{ Now Stored }

// Error says what is stored now.
func (e *ResetError) Error() string {
	if !e.Now.Any {
		return "the stored offset was deleted by someone else"
	}
	return fmt.Sprintf("the stored offset was moved to %d by someone else", e.Now.Offset)
}

// Partition is the commit side of one assignment of a partition. Its methods
// are safe for concurrent use.
type Partition struct {
	committer *Committer
	owner     Owner
	store     Store
	lock      Lock // of the partition
	// committed is the Seq of the prefix that is stored.
	committed atomic.Uint64

	mu        sync.Mutex
	prefix    Prefix
	stored    Stored
	attempted Stored    // the offset that was written last: its answer may have been lost
	verified  time.Time // when stored was last known to be true
	waiters   int       // callers of Await
	changed   chan struct{}
	requested bool
	lost      error
	commits   int64
	failure   failure
}

// failure is why commits fail.
type failure struct {
	cause  error // nil: they do not
	since  time.Time
	logged time.Time
}

// failureLog is how often it is logged at most that commits fail.
const failureLog = time.Minute

// failed notes that a commit failed, and tells whether that is to be logged. A
// stop and a reset are no failures.
func (p *Partition) failed(err error) (log bool) {
	var reset *ResetError
	if errors.Is(err, context.Canceled) || errors.As(err, &reset) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f, now := &p.failure, time.Now()
	if f.cause == nil {
		f.since = now
	}
	f.cause = err
	if log = now.Sub(f.logged) >= failureLog; log {
		f.logged = now
	}
	return log
}

// works notes that a commit did not fail, and tells for how long they did before. p.mu is held.
func (p *Partition) works() (failed time.Duration) {
	if p.failure.cause != nil {
		failed = time.Since(p.failure.since)
	}
	p.failure = failure{}
	return failed
}

// NewPartition makes the commit side of an assignment that begins with the
// given acknowledged prefix and stored offset. A nil store means that nothing is
// committed: the partition only knows the prefix. All assignments of a partition
// have the same lock.
func (c *Committer) NewPartition(owner Owner, store Store, lock Lock, prefix Prefix, stored Stored) *Partition {
	return &Partition{
		committer: c, owner: owner, store: store, lock: lock,
		prefix: prefix, stored: stored, verified: time.Now(), changed: make(chan struct{}),
	}
}

// Advance tells that the acknowledged prefix grew. A commit is requested when
// enough messages are acknowledged, or when someone waits for it.
func (p *Partition) Advance(prefix Prefix) {
	p.mu.Lock()
	p.prefix = prefix
	due := p.waiters > 0 || prefix.Seq-p.committed.Load() >= p.committer.every
	request := due && p.request()
	p.mu.Unlock()
	if request {
		p.committer.add(p)
	}
}

// Committed is how many messages of this assignment have a stored offset.
func (p *Partition) Committed() uint64 { return p.committed.Load() }

// Request has the prefix committed soon.
func (p *Partition) Request() {
	p.mu.Lock()
	request := p.prefix.Seq > p.committed.Load() && p.request()
	p.mu.Unlock()
	if request {
		p.committer.add(p)
	}
}

// request marks a commit as requested and tells whether the committer must be
// told. p.mu is held.
func (p *Partition) request() bool {
	if p.requested || p.lost != nil || p.store == nil {
		return false
	}
	p.requested = true
	return true
}

// Commit stores the acknowledged prefix if it grew since the last commit. It
// reads the stored offset first, since the server has no store that compares,
// and a busy consumer would overwrite the reset of an operator: the error is
// a *ResetError then, and nothing is stored. The owner hears of the outcome, too.
func (p *Partition) Commit(ctx context.Context) error {
	offset, err := p.commit(ctx)
	if err != nil {
		p.owner.CommitFailed(offset, err, p.failed(err))
	}
	return err
}

// commit is Commit; it returns the offset that was not stored.
func (p *Partition) commit(ctx context.Context) (offset uint64, err error) {
	release, err := p.lock.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	p.mu.Lock()
	prefix := p.prefix
	p.requested = false
	none := p.store == nil || p.lost != nil || !prefix.Any || prefix.Seq == p.committed.Load()
	p.mu.Unlock()
	if none {
		return 0, nil
	}
	now, err := p.store.Read(ctx)
	switch {
	case err == nil && p.Reset(now):
		return prefix.Offset, &ResetError{Now: now}
	case err != nil && !p.store.Refused(err):
		return prefix.Offset, err
	}
	p.mu.Lock()
	p.attempted = Stored{Offset: prefix.Offset, Any: true}
	p.mu.Unlock()
	if err := p.store.Write(ctx, prefix.Offset); err != nil {
		return prefix.Offset, err
	}
	p.written(prefix)
	return prefix.Offset, nil
}

// written notes that a prefix was stored, and has the next one stored for
// those who wait.
func (p *Partition) written(prefix Prefix) {
	p.mu.Lock()
	p.commits++
	lost := p.lost != nil
	again := false
	failed := p.works()
	if !lost {
		p.stored, p.verified = Stored{Offset: prefix.Offset, Any: true}, time.Now()
		p.committed.Store(prefix.Seq)
		p.notify()
		again = (p.waiters > 0 || p.prefix.Seq-prefix.Seq >= p.committer.every) && p.prefix.Seq > prefix.Seq && p.request()
	}
	p.mu.Unlock()
	if again {
		p.committer.add(p)
	}
	if !lost {
		p.owner.Stored(prefix.Offset, failed)
	}
}

// notify wakes the callers of Await. p.mu is held.
func (p *Partition) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Reset tells whether now, as it was just read, is neither what was stored
// from here nor what was written last.
func (p *Partition) Reset(now Stored) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Any && now == p.attempted {
		return false
	}
	return now != p.stored
}

// Verified notes that the stored offset was found to be true.
func (p *Partition) Verified() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.verified = time.Now()
}

// State is a partition's commit side at one moment.
type State struct {
	Prefix   Prefix
	Stored   Stored
	Verified time.Time
	// Commits is how many offsets were stored.
	Commits int64
	// Failure is why the last commit failed; nil when it did not.
	Failure error
}

// State tells how the partition is.
func (p *Partition) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{Prefix: p.prefix, Stored: p.stored, Verified: p.verified, Commits: p.commits, Failure: p.failure.cause}
}

// Await waits until message number seq has a stored offset, for the loss of
// the partition, or for ctx.
func (p *Partition) Await(ctx context.Context, seq uint64) error {
	p.mu.Lock()
	p.waiters++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.waiters--
		p.mu.Unlock()
	}()
	for {
		p.Request()
		p.mu.Lock()
		committed, lost, changed := p.committed.Load(), p.lost, p.changed
		p.mu.Unlock()
		switch {
		case committed > seq:
			return nil
		case lost != nil:
			return lost
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Lose ends the assignment: nothing is stored any more, and callers of Await
// fail with cause. Only the first call counts.
func (p *Partition) Lose(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost == nil {
		p.lost = cause
		p.notify()
	}
}
