package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// currentRoute returns the topic's route. It reads the metadata when the route is not known.
func (t *topicState) currentRoute(ctx context.Context) (*route, error) {
	if r := t.route.Load(); r != nil {
		return r, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.producer.cfg.DeliveryTimeout, iggyerr.ErrDeliveryTimeout)
	defer cancel()
	ctx, stop := untilClosed(ctx, t.producer.life.Context())
	defer stop()
	present, release := t.hold()
	defer release()
	return present.refresh(ctx, t.producer.clock.now())
}

// refresh reads the metadata, unless another call did so after requested, and returns the resulting
// route. While the server can't be reached, it retries until ctx ends.
func (t *topicState) refresh(ctx context.Context, requested int64) (*route, error) {
	select {
	case t.refreshing <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-t.refreshing }()
	if r := t.route.Load(); r != nil && t.refreshedAt.Load() > requested {
		return r, nil
	}
	var meta transport.Topic
	err := t.producer.retry.Do(ctx, func(ctx context.Context, _ int) (err error) {
		if meta, err = t.readPartitions(ctx); !errors.Is(err, iggyerr.ErrNotFound) || t.producer.onMissingTopic == nil {
			return err
		}
		if err := t.create(ctx, err); err != nil {
			return err
		}
		meta, err = t.readPartitions(ctx)
		return err
	})
	if err == nil && len(meta.Partitions) == 0 {
		err = fmt.Errorf("topic %s/%s has no partitions: %w", t.stream, t.name, iggyerr.ErrNotFound)
	}
	if errors.Is(err, iggyerr.ErrNotFound) {
		t.missing.Store(true)
		t.route.Store(nil) // the next message reads it again
	}
	if err != nil {
		return nil, fmt.Errorf("read metadata of %s/%s: %w", t.stream, t.name, err)
	}
	t.missing.Store(false)
	r := t.apply(meta)
	t.refreshedAt.Store(t.producer.clock.now())
	return r, nil
}

// readPartitions reads the metadata of a topic, and again while another client creates it.
func (t *topicState) readPartitions(ctx context.Context) (meta transport.Topic, err error) {
	for range transport.PartitionReads(ctx) {
		if meta, err = t.readMetadata(ctx); err != nil || len(meta.Partitions) > 0 {
			return meta, err
		}
	}
	return meta, context.Cause(ctx)
}

func (t *topicState) readMetadata(ctx context.Context) (meta transport.Topic, err error) {
	err = t.producer.connections.of(t, 0).Do(ctx, func(ctx context.Context, c transport.Conn) error {
		meta, err = c.Topic(ctx, t.stream, t.name)
		return err
	})
	return meta, err
}

// create has the application create the topic, which is missing according to cause.
func (t *topicState) create(ctx context.Context, cause error) error {
	err := callback.Call(func() error { return t.producer.onMissingTopic(ctx, t.stream, t.name) })
	if err == nil || iggyerr.IsRetryable(err) {
		return err
	}
	return fmt.Errorf("%w; creating it: %w", cause, err)
}

// apply makes the route that meta describes. It begins a new epoch when the partitions have
// changed. t.refreshing is held.
func (t *topicState) apply(meta transport.Topic) *route {
	t.mu.Lock()
	old := t.epoch
	if t.samePartitions(meta) {
		r := t.route.Load()
		if r == nil { // the topic did not exist for a while
			r = t.newRoute(meta, old)
			t.route.Store(r)
		}
		t.mu.Unlock()
		return r
	}
	next := newEpoch(1, nil)
	if old != nil {
		next = newEpoch(old.number+1, old.unfinished())
	}
	r := t.newRoute(meta, next)
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
		p.queue.startEpoch(next, !has[p.id])
	}
	if old != nil {
		old.close()
		t.producer.log.Info("partitions changed", zap.String("stream", t.stream), zap.String("topic", t.name),
			zap.Int("count", len(r.partitions)))
	}
	return r
}

// samePartitions reports whether the current epoch has the partitions of meta. t.mu is held.
func (t *topicState) samePartitions(meta transport.Topic) bool {
	if t.epoch == nil {
		return false
	}
	live := 0
	for _, p := range t.partitions {
		if !p.deleted.Load() {
			live++
		}
	}
	if live != len(meta.Partitions) {
		return false
	}
	for _, m := range meta.Partitions {
		if p := t.partitions[m.ID]; p == nil || p.deleted.Load() {
			return false
		}
	}
	return true
}

// watchMetadata reads the metadata of all known topics at the configured interval, and evicts
// unknown topics, until ctx ends.
func (p *Producer) watchMetadata(ctx context.Context) {
	defer p.tasks.done()
	tick := time.NewTicker(p.cfg.MetadataInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.topics.evict(p.cfg.MetadataInterval)
		for _, t := range p.topics.list() {
			if t.route.Load() == nil {
				continue
			}
			// A short interval must not be too short to create a topic.
			bounded, cancel := context.WithTimeout(ctx, max(p.cfg.MetadataInterval, p.requestTimeout))
			if _, err := t.refresh(bounded, p.clock.now()); err != nil && ctx.Err() == nil {
				p.log.Warn("cannot read topic metadata", zap.String("stream", t.stream), zap.String("topic", t.name), zap.Error(err))
			}
			cancel()
		}
	}
}
