package commit

import (
	"context"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/coalesce"
)

// concurrent is how many commits may be under way at once.
const concurrent = 32

// Committer stores acknowledged prefixes: those of all partitions once an
// interval, and that of one partition as soon as it is requested.
type Committer struct {
	interval time.Duration
	every    uint64

	mu   sync.Mutex
	due  []*Partition // each at most once: Partition.requested
	wake chan struct{}
}

// NewCommitter makes a committer. every is after how many acknowledged
// messages a commit is requested.
func NewCommitter(interval time.Duration, every int) *Committer {
	return &Committer{interval: interval, every: uint64(max(every, 1)), wake: make(chan struct{}, 1)}
}

// add has p committed soon.
func (c *Committer) add(p *Partition) {
	c.mu.Lock()
	c.due = append(c.due, p)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run commits until ctx ends, and waits for the commits under way. assigned
// gives the partitions that are committed once an interval.
func (c *Committer) Run(ctx context.Context, assigned func() []*Partition) {
	timer := time.NewTimer(coalesce.Delay(c.interval))
	defer timer.Stop()
	slots := make(chan struct{}, concurrent)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		var due []*Partition
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
			c.mu.Lock()
			due, c.due = c.due, nil
			c.mu.Unlock()
		case <-timer.C:
			timer.Reset(coalesce.Delay(c.interval))
			due = assigned()
		}
		for _, p := range due {
			if !p.pending() {
				continue
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			running.Go(func() {
				defer func() { <-slots }()
				_ = p.Commit(ctx) // its owner knows
			})
		}
	}
}

// pending tells whether there is something to commit.
func (p *Partition) pending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.store == nil || p.lost != nil || !p.prefix.Any || p.prefix.Seq == p.committed.Load() {
		p.requested = false
		return false
	}
	return true
}
