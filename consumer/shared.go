package consumer

import (
	"slices"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
)

// shared is what the engines of a consumer share: the limits, and the workers or callers of Next to which
// all messages go.
type shared struct {
	pool       *deliver.Pool
	prefetched *quota.Quota // bytes

	mu      sync.Mutex
	engines []*assignments // in the order in which they began
	started map[*assignments][]*partition
}

func newShared(s settings, app deliver.App) *shared {
	return &shared{
		pool: deliver.NewPool(deliver.PoolOptions{
			Config: s.cfg, App: app, Commits: s.storesOffsets, ParkAfter: s.cfg.ParkAfter,
		}),
		prefetched: quota.New(int(s.cfg.MaxBufferedBytes)),
		started:    map[*assignments][]*partition{},
	}
}

// setStarted sets the partitions of an engine that are started. Those of all engines share the limits.
func (s *shared) setStarted(a *assignments, started []*partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.engines, a) {
		s.engines = append(s.engines, a)
	}
	s.started[a] = started
	var queues []*deliver.Queue
	var prefetched []*quota.Member
	for _, of := range s.engines {
		for _, p := range s.started[of] {
			queues, prefetched = append(queues, p.queue), append(prefetched, p.prefetched)
		}
	}
	s.pool.SetQueues(queues...)
	s.prefetched.SetMembers(prefetched...)
}
