package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
)

// handOvers hands over the partitions that the server is about to move.
type handOvers struct{ a *assignment }

// startDue hands over the draining partitions that are drained, and those whose time is over.
func (h handOvers) startDue(clock *schedule) {
	a := h.a
	for _, p := range a.sorted() {
		if p.state != PartitionDraining {
			continue
		}
		s, ok := a.deps.Partitions.Summary(p.id)
		if ok && s.Drained && s.Unfinished > 0 && !s.Acknowledged {
			// Nothing can be committed, so the server would not move it, and no member would read it.
			a.resumeDrained(p)
			a.surveyNeeded = true
			continue
		}
		if ok && !s.Drained && !clock.due(p.deadline) {
			continue
		}
		if ok && !s.Drained && !p.interrupted {
			// What is not acknowledged is delivered to the next owner.
			p.interrupted = true
			a.deps.Partitions.Interrupt(p.id, errHandOver)
		}
		if !clock.due(p.retryAt) {
			continue
		}
		a.move(p, handOverBegun)
		a.busy[p.id] = true
		id, epoch, request := p.id, p.epoch, handOver{a.server, a.deps.Partitions}
		a.requests.run(a.ctx, func(ctx context.Context) event {
			return event{kind: handOverEnded, partition: id, epoch: epoch, err: request.run(ctx, id)}
		})
	}
}

// answered ends the assignment of a partition that was handed over.
func (h handOvers) answered(e event) {
	a := h.a
	delete(a.busy, e.partition)
	p := a.find(e.partition, e.epoch)
	switch {
	case p == nil: // it was lost meanwhile
	case e.err == nil:
		a.move(p, handOverDone)
		a.release(p.id, errHandedOver)
	case protocol.IsNotOwner(e.err):
		a.move(p, handOverFailed)
		a.lose(p, errNotAssigned)
	default:
		a.move(p, handOverFailed)
		p.failures++
		p.retryAt = time.Now().Add(retry.Delay(handOverBackoff, p.failures))
		a.report.note(fmt.Errorf("iggy: hand over %s/%d: %w", a.cfg.Consumer.Topic, p.id, e.err))
		a.log.Debug("handover failed, retrying", zap.Uint32("partition", p.id), zap.Error(e.err))
	}
}

// handOver is the request that commits the acknowledged prefix of a partition, with which the
// server moves the partition to another member.
type handOver struct {
	server
	partitions Partitions
}

// run makes the request.
//
// The server moves a partition at the commit that covers the last offset polled from it (measured
// on Iggy 0.8.0). What was fetched and not acknowledged must not be committed. So the last message
// of the prefix is polled once more: then its offset is the last one polled.
func (h handOver) run(ctx context.Context, id uint32) error {
	err := h.partitions.Commit(ctx, id)
	var reset *ResetError
	if err != nil && !errors.As(err, &reset) {
		return err
	}
	s, ok := h.partitions.Summary(id)
	if !ok {
		return nil // it was lost
	}
	prefix, acknowledged := s.Prefix, s.Acknowledged
	if reset != nil {
		prefix, acknowledged = reset.Offset, reset.Stored // the next owner follows
	}
	if !acknowledged {
		return nil
	}
	if s.Polled > prefix+1 {
		if err := h.repoll(ctx, id, prefix); err != nil {
			return err
		}
	}
	if reset != nil {
		err = h.store(ctx, id, prefix)
	} else { // the prefix may be longer by now, and must not go back
		err = h.partitions.CommitAgain(ctx, id)
	}
	if protocol.IsNotOwner(err) {
		return nil // it has been moved
	}
	return err
}

func handOverAnswered(m *member, e event) State {
	handOvers{&m.assignment}.answered(e)
	if e.err != nil && protocol.IsNotMember(e.err) && m.state.joined() {
		return m.evicted(e.err)
	}
	return m.state
}
