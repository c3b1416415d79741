package deliver

import (
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
)

// Partition is what outlives the assignments of a partition: deliveries that the application still
// holds from former ones, and the ids of messages that were handled. It has one queue at a time.
type Partition struct {
	pool  *Pool
	topic string // for errors
	id    uint32
	// orphans counts handlers of former assignments that have not returned, and their messages that
	// are still in flight. While there are any, no message of the partition is delivered: it might be
	// one of those.
	orphans atomic.Int64
	current atomic.Pointer[Queue]
	dedup   *dedup        // guarded by the current queue's lock
	former  *quota.Member // in flight, of the former queue
}

// NewPartition makes the partition with that id, which has no queue yet. topic names its topic in
// errors.
func (p *Pool) NewPartition(topic string, id uint32) *Partition {
	return &Partition{pool: p, topic: topic, id: id, dedup: newDedup(p.cfg.DedupWindow)}
}

// endOrphans notes that n handlers or deliveries of former assignments have ended.
func (p *Partition) endOrphans(n int) {
	if p.orphans.Add(-int64(n)) > 0 {
		return
	}
	if q := p.current.Load(); q != nil {
		p.pool.sched.ready(q)
	}
}
