package commit

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
)

// Stored is the stored offset of a partition.
type Stored struct {
	Offset uint64
	// Any tells whether one is stored; Offset is valid only then.
	Any bool
}

// Store reads and writes the stored offset of one partition on the server.
type Store interface {
	Read(ctx context.Context) (Stored, error)
	Write(ctx context.Context, offset uint64) error
	// Refused reports whether err is an answer of the server, and not the lack of one. A refused Read
	// does not prevent a commit.
	Refused(err error) bool
}

// Owner is told about the commits of a partition. Its methods are called without a lock, one after
// another.
type Owner interface {
	// Stored says that the offset of a prefix was stored, and for how long commits had failed before;
	// 0 if they had not.
	Stored(prefix Prefix, failed time.Duration)
	// CommitFailed says that an offset was not stored; err is a *ResetError if someone else changed
	// the stored offset. log tells that this is to be logged: it is the first time since an offset was
	// stored, or a minute has passed.
	CommitFailed(offset uint64, err error, log bool)
}

// Partition is the commit side of one assignment of a partition. Its methods are safe for
// concurrent use.
type Partition struct {
	committer *Committer
	owner     Owner
	store     Store
	lock      Lock // of the partition
	// committed is the Seq of the prefix that is stored. It changes with mu held, and is read without.
	committed atomic.Uint64

	mu         sync.Mutex
	prefix     Prefix
	stored     Stored
	tried      []Stored  // offsets that commits tried to store since one was confirmed: any may be stored
	verified   time.Time // when stored was compared with the server last
	waiters    int       // callers of Await
	changed    chan struct{}
	requested  bool   // a commit is to begin; while one is in flight: if that one fails
	committing uint64 // the Seq of the prefix of the commit in flight; 0: there is none
	lost       error
	commits    int64
	failure    fault.Fault // commits fail
}

// NewPartition returns the commit side of an assignment that begins with the given acknowledged
// prefix and stored offset. A nil store means that nothing is committed. All assignments of a
// partition have the same lock.
func (c *Committer) NewPartition(owner Owner, store Store, lock Lock, prefix Prefix, stored Stored) *Partition {
	return &Partition{
		committer: c, owner: owner, store: store, lock: lock,
		prefix: prefix, stored: stored, verified: time.Now(), changed: make(chan struct{}),
	}
}

// Advance sets the acknowledged prefix, which has grown. It requests a commit when enough messages
// are acknowledged beyond what is stored or being stored, or when a caller of Await waits.
func (p *Partition) Advance(prefix Prefix) {
	p.mu.Lock()
	p.prefix = prefix
	request := p.due(max(p.committed.Load(), p.committing)) && p.request()
	p.mu.Unlock()
	if request {
		p.committer.add(p)
	}
}

// Committed returns how many messages of this assignment the stored offset covers.
func (p *Partition) Committed() uint64 { return p.committed.Load() }

// Request requests a commit, if the prefix is not committed. A request during a commit begins another
// one only if that commit fails. If it succeeds, it has made room below the limit on uncommitted
// messages, for which the caller waits; a caller that needs more requests again. Otherwise each commit
// would store only a part of what the limit allows, and a partition at a distance would be half as
// fast.
func (p *Partition) Request() {
	p.mu.Lock()
	request := p.prefix.Seq > p.committed.Load() && p.request()
	p.mu.Unlock()
	if request {
		p.committer.add(p)
	}
}

// pending reports whether there is something to commit, and no commit is in flight.
func (p *Partition) pending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.committing > 0 {
		return false
	}
	if !p.uncommitted() {
		p.requested = false
		return false
	}
	return true
}

// uncommitted reports whether there is something to commit. p.mu is held.
func (p *Partition) uncommitted() bool { return p.mayStore() && p.prefix.Seq != p.committed.Load() }

// mayStore reports whether there is an offset that may be stored. p.mu is held.
func (p *Partition) mayStore() bool { return p.store != nil && p.lost == nil && p.prefix.Any }

// due reports whether a commit should begin, when the first seq messages are stored or being stored.
// p.mu is held.
func (p *Partition) due(seq uint64) bool {
	return p.prefix.Seq > seq && (p.waiters > 0 || p.prefix.Seq-seq >= p.committer.every)
}

// request notes that a commit is requested, and reports whether the committer must be told: not while
// a commit is in flight. p.mu is held.
func (p *Partition) request() bool {
	if p.requested || p.lost != nil || p.store == nil {
		return false
	}
	p.requested = true
	return p.committing == 0
}

// Commit stores the acknowledged prefix if it has grown since the last commit. It reads the stored
// offset first, since the server can't compare and store in one request, and a busy consumer would
// overwrite the reset of an operator: then the error is a *ResetError, and nothing is stored. The
// owner is told the outcome, too.
func (p *Partition) Commit(ctx context.Context) error {
	offset, err := p.commit(ctx)
	if err != nil {
		p.owner.CommitFailed(offset, err, p.failed(err))
	}
	return err
}

// commit is Commit without the owner. It returns the offset that was not stored.
func (p *Partition) commit(ctx context.Context) (offset uint64, err error) {
	release, err := p.lock.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	p.mu.Lock()
	prefix := p.prefix
	p.requested = false
	uncommitted := p.uncommitted()
	if uncommitted {
		p.committing = prefix.Seq
	}
	p.mu.Unlock()
	if !uncommitted {
		return 0, nil
	}
	if err := p.compareAndStore(ctx, prefix); err != nil {
		p.notWritten()
		return prefix.Offset, err
	}
	return prefix.Offset, nil
}

// compareAndStore stores a prefix unless someone else changed the stored offset. p.lock is held.
func (p *Partition) compareAndStore(ctx context.Context, prefix Prefix) error {
	now, err := p.store.Read(ctx)
	switch {
	case err == nil && p.WasReset(now):
		return &ResetError{Now: now}
	case err != nil && !p.store.Refused(err):
		return err
	}
	return p.write(ctx, prefix)
}

// CommitAgain stores the acknowledged prefix also if it is stored already. It neither looks for the
// reset of an operator nor tells the owner of a failure: the partition may be another member's by
// then.
func (p *Partition) CommitAgain(ctx context.Context) error {
	release, err := p.lock.Acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	p.mu.Lock()
	prefix := p.prefix
	mayStore := p.mayStore()
	p.mu.Unlock()
	if !mayStore {
		return nil
	}
	return p.write(ctx, prefix)
}

// write stores a prefix. p.lock is held.
func (p *Partition) write(ctx context.Context, prefix Prefix) error {
	p.mu.Lock()
	if try := (Stored{Offset: prefix.Offset, Any: true}); !slices.Contains(p.tried, try) {
		p.tried = append(p.tried, try)
	}
	p.mu.Unlock()
	if err := p.store.Write(ctx, prefix.Offset); err != nil {
		return err
	}
	p.written(prefix)
	return nil
}

// written notes that a prefix was stored, and requests the next commit if that is due. A request that
// was made meanwhile is dropped: see Request.
func (p *Partition) written(prefix Prefix) {
	p.mu.Lock()
	p.commits++
	p.requested, p.committing, p.tried = false, 0, p.tried[:0]
	lost := p.lost != nil
	request := false
	failed, _ := p.failure.End()
	if !lost {
		p.stored, p.verified = Stored{Offset: prefix.Offset, Any: true}, time.Now()
		p.committed.Store(prefix.Seq)
		p.notify()
		request = p.due(prefix.Seq) && p.request()
	}
	p.mu.Unlock()
	if request {
		p.committer.add(p)
	}
	if !lost {
		p.owner.Stored(prefix, failed)
	}
}

// retryPause is the longest pause before a commit that failed is tried again. The interval may be
// longer, and a partition at the limit on uncommitted messages, or a caller of Await, waits for the
// commit.
const retryPause = time.Second

// notWritten notes that the commit in flight failed, and has the committer begin the one that was
// requested meanwhile, or another one after a pause.
func (p *Partition) notWritten() {
	p.mu.Lock()
	p.committing = 0
	request := p.requested
	p.mu.Unlock()
	switch {
	case request:
		p.committer.add(p)
	case p.committer.interval > retryPause:
		time.AfterFunc(retryPause, p.Request)
	}
}

// notify wakes the callers of Await. p.mu is held.
func (p *Partition) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Verified notes that the stored offset on the server is the expected one.
func (p *Partition) Verified() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.verified = time.Now()
}

// State is the state of a Partition at one moment.
type State struct {
	Prefix   Prefix
	Stored   Stored
	Verified time.Time
	// Commits is how many offsets were stored.
	Commits int64
	// Failure is why the last commit failed; nil when it did not.
	Failure error
}

// State returns the state of the partition.
func (p *Partition) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{Prefix: p.prefix, Stored: p.stored, Verified: p.verified, Commits: p.commits, Failure: p.failure.Cause()}
}

// Await waits until the stored offset covers message number seq. It fails when the partition is
// lost or ctx ends.
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

// Lose ends the assignment: nothing is stored any more, and callers of Await get cause. Only the
// first call counts.
func (p *Partition) Lose(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost == nil {
		p.lost = cause
		p.notify()
	}
}
