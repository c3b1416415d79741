package commit

import (
	"context"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/coalesce"
)

// concurrent is how many commits may be in flight at once.
const concurrent = 32

// Committer commits the acknowledged prefixes of all partitions once an interval, and that of one
// partition as soon as it is requested.
type Committer struct {
	interval time.Duration
	every    uint64

	mu   sync.Mutex
	due  []*Partition // with a requested commit; seldom one twice, which does no harm
	wake chan struct{}
}

// NewCommitter returns a committer. every is the number of acknowledged messages after which a
// commit is requested.
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

// Run commits until ctx ends, and waits for the commits in flight. assigned returns the partitions
// that are committed once an interval.
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
				_ = p.Commit(ctx) // its owner is told
			})
		}
	}
}
