package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// route is the set of a topic's partitions during an epoch. It is immutable.
type route struct {
	epoch      *epoch
	partitions []*partition // ordered by id
}

// find is the index of the partition with this id.
func (r *route) find(id uint32) (uint32, bool) {
	if int(id) < len(r.partitions) && r.partitions[id].id == id {
		return id, true
	}
	for i, p := range r.partitions {
		if p.id == id {
			return uint32(i), true
		}
	}
	return 0, false
}

// topicState is all that the producer knows of a topic.
type topicState struct {
	producer     *Producer
	stream, name string
	index        int // among the producer's topics, spreads them over the connections
	packing      packing
	metrics      topicMetrics

	route atomic.Pointer[route] // nil while the topic is not known to exist
	turn  atomic.Uint32         // whose turn it is to take messages without a key

	// reading is held while the metadata is read and applied.
	reading chan struct{}
	readAt  atomic.Int64 // on the producer's clock

	pinned atomic.Bool  // by a Publisher: it is never forgotten
	users  atomic.Int32 // that read the metadata
	asked  atomic.Int64 // when it was last used without being known, on the producer's clock
	forgot uint64       // what was counted when it was forgotten, guarded by the producer's topicsMu

	confirmed, failed, unknown atomic.Uint64 // messages that were accepted
	refused                    atomic.Uint64 // messages that were not, or were withdrawn: failed, as their senders know

	mu         sync.Mutex
	epoch      *epoch
	partitions map[uint32]*partition // all that ever were
}

// current returns the topic's route, reading the metadata when it is not known yet.
func (t *topicState) current(ctx context.Context) (*route, error) {
	if r := t.route.Load(); r != nil {
		return r, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.producer.cfg.DeliveryTimeout, iggyerr.ErrDeliveryTimeout)
	defer cancel()
	ctx, stop := until(ctx, t.producer.closing)
	defer stop()
	present, free := t.use()
	defer free()
	return present.refresh(ctx, t.producer.clock())
}

// exists tells whether the topic was ever known to exist.
func (t *topicState) exists() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.epoch != nil
}

// until is ctx, ended with iggyerr.ErrClosed when closing ends first.
func until(ctx, closing context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(closing, func() { cancel(iggyerr.ErrClosed) })
	return ctx, func() { detach(); cancel(nil) }
}

// refresh reads the metadata again unless someone else did so after asked, and
// returns the route that follows. While the server can't be reached it tries
// again, as long as ctx allows.
func (t *topicState) refresh(ctx context.Context, asked int64) (*route, error) {
	select {
	case t.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-t.reading }()
	if r := t.route.Load(); r != nil && t.readAt.Load() > asked {
		return r, nil
	}
	var meta transport.Topic
	err := t.producer.retry.do(ctx, func(ctx context.Context) error {
		return t.producer.linkOf(t, 0).Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
			meta, err = c.Topic(ctx, t.stream, t.name)
			return err
		})
	})
	if err == nil && len(meta.Partitions) == 0 {
		err = fmt.Errorf("topic %s/%s has no partitions: %w", t.stream, t.name, iggyerr.ErrNotFound)
	}
	if errors.Is(err, iggyerr.ErrNotFound) {
		t.route.Store(nil) // ask again at the next message
	}
	if err != nil {
		return nil, fmt.Errorf("metadata of %s/%s: %w", t.stream, t.name, err)
	}
	r := t.apply(meta)
	t.readAt.Store(t.producer.clock())
	return r, nil
}

// apply makes the route that meta describes, and begins an epoch when it is
// another one than before. t.reading is held.
func (t *topicState) apply(meta transport.Topic) *route {
	t.mu.Lock()
	old := t.epoch
	if t.same(meta) {
		r := t.route.Load()
		if r == nil { // it was gone for a while
			r = t.routeOf(meta, old)
			t.route.Store(r)
		}
		t.mu.Unlock()
		return r
	}
	next := newEpoch(1, nil)
	if old != nil {
		next = newEpoch(old.number+1, old.undone())
	}
	r := t.routeOf(meta, next)
	has := make(map[uint32]bool, len(r.partitions))
	for _, p := range r.partitions {
		has[p.id] = true
	}
	all := make([]*partition, 0, len(t.partitions))
	for _, p := range t.partitions {
		all = append(all, p)
	}
	t.epoch = next
	t.route.Store(r)
	t.mu.Unlock()

	for _, p := range all {
		p.enterEpoch(next, !has[p.id])
	}
	if old != nil {
		old.close()
		t.producer.log.Info("partitions changed", zap.String("stream", t.stream), zap.String("topic", t.name),
			zap.Int("count", len(r.partitions)))
	}
	return r
}

// same tells whether the present epoch has these partitions. t.mu is held.
func (t *topicState) same(meta transport.Topic) bool {
	if t.epoch == nil {
		return false
	}
	live := 0
	for _, p := range t.partitions {
		if !p.gone.Load() {
			live++
		}
	}
	if live != len(meta.Partitions) {
		return false
	}
	for _, m := range meta.Partitions {
		if p := t.partitions[m.ID]; p == nil || p.gone.Load() {
			return false
		}
	}
	return true
}

// routeOf makes a route, and the partitions that are new. t.mu is held.
func (t *topicState) routeOf(meta transport.Topic, e *epoch) *route {
	r := &route{epoch: e, partitions: make([]*partition, len(meta.Partitions))}
	for i, m := range meta.Partitions {
		p := t.partitions[m.ID]
		if p == nil {
			p = newPartition(t, m.ID, e)
			t.partitions[m.ID] = p
		}
		r.partitions[i] = p
	}
	return r
}

// all are the partitions that ever were.
func (t *topicState) all() []*partition {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*partition, 0, len(t.partitions))
	for _, p := range t.partitions {
		list = append(list, p)
	}
	return list
}

// object names a partition of the topic, or the topic when there is none.
func (t *topicState) object(partition int64) string {
	if partition < 0 {
		return t.stream + "/" + t.name
	}
	return fmt.Sprintf("%s/%s/%d", t.stream, t.name, partition)
}

// watchMetadata reads the partition counts again at the configured interval, and forgets
// what can't be read, until ctx ends.
func (p *Producer) watchMetadata(ctx context.Context) {
	defer p.background.Done()
	tick := time.NewTicker(p.cfg.MetadataInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.forgetTopics(p.cfg.MetadataInterval)
		for _, t := range p.topicList() {
			if t.route.Load() == nil {
				continue
			}
			bounded, cancel := context.WithTimeout(ctx, p.cfg.MetadataInterval)
			if _, err := t.refresh(bounded, p.clock()); err != nil && ctx.Err() == nil {
				p.log.Warn("cannot read a topic's metadata", zap.String("stream", t.stream), zap.String("topic", t.name), zap.Error(err))
			}
			cancel()
		}
	}
}
