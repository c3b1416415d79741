package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// acceptor accepts the messages of one call, one after another. It delays waking the senders until
// the call has accepted all its messages, so that messages that were sent together travel together.
type acceptor struct {
	producer       *Producer
	wakeups        [4]*partition // partitions whose senders are to be woken; further ones are woken at once
	pendingWakeups int
	firstWakeup    int64      // when the first wake-up was delayed, by the producer's clock
	direct         *partition // the partition whose batch the caller must send itself
}

// maxWakeDelay bounds the delay of a wake-up: others may send to the same partitions, and a codec
// or a key function may be slow. It is checked between messages.
const maxWakeDelay = int64(time.Millisecond)

// delayWakeup wakes the partition's sender at the next flush.
func (a *acceptor) delayWakeup(p *partition, now int64) {
	if a.pendingWakeups == len(a.wakeups) {
		p.queue.wakeSender()
		return
	}
	if a.pendingWakeups == 0 {
		a.firstWakeup = now
	}
	a.wakeups[a.pendingWakeups] = p
	a.pendingWakeups++
}

// flush wakes the senders. It must be called before each wait and at the end.
func (a *acceptor) flush() {
	for i := range a.pendingWakeups {
		a.wakeups[i].queue.wakeSender()
		a.wakeups[i] = nil
	}
	a.pendingWakeups = 0
}

// accept reserves room for it and appends it to its partition's batch. From then on its outcome
// goes to m.sink. An error, a *SendError, means that the message was not accepted.
func (a *acceptor) accept(ctx context.Context, t *topicState, it *item, m pendingMessage) error {
	p := a.producer
	if ctx.Err() != nil {
		return t.refuse(-1, context.Cause(ctx))
	}
	if err := p.running(); err != nil {
		return t.refuse(-1, err)
	}
	r := t.route.Load()
	if r == nil {
		var err error
		a.flush()
		if r, err = t.currentRoute(ctx); err != nil {
			return t.refuseAfterWait(err)
		}
	}
	size := int64(it.size())
	if !p.limit.tryReserve(size) {
		a.flush()
		if err := p.limit.reserve(ctx, size); err != nil {
			return t.refuseAfterWait(fmt.Errorf("waiting for room in the producer's buffer: %w", err))
		}
	}
	part, err := a.appendToPartition(ctx, t, r, it, m)
	if err != nil {
		p.limit.release(size, 1)
		partition := int64(-1)
		if part != nil {
			partition = int64(part.id)
		}
		return t.refuse(partition, err)
	}
	return nil
}

// appendToPartition chooses the partition of it and appends it there.
func (a *acceptor) appendToPartition(ctx context.Context, t *topicState, r *route, it *item, m pendingMessage) (part *partition, err error) {
	p := a.producer
	var grant int64
	defer func() {
		if grant != 0 {
			p.limit.releaseMemory(grant)
		}
	}()
	reread := false
	for {
		if r == nil {
			a.flush()
			if r, err = t.currentRoute(ctx); err != nil {
				return part, err
			}
		}
		index, hash, routing, err := p.choosePartition(t, r, it)
		if errors.Is(err, errNoPartition) {
			if reread {
				return nil, t.noPartitionError(it, len(r.partitions))
			}
			reread = true
			a.flush()
			bounded, stop := untilClosed(ctx, p.life.Context())
			r, err = t.refresh(bounded, p.clock.now())
			stop()
			if err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		part = r.partitions[index]
		m.accepted, m.hash, m.routing = p.clock.now(), hash, routing
		if a.pendingWakeups > 0 && m.accepted-a.firstWakeup > maxWakeDelay {
			a.flush()
		}
		now := p.clock.wallTime(m.accepted)
		if it.id == ([16]byte{}) {
			it.id = newID(now)
		}
		result, need, wake := part.queue.append(r.epoch, it, m, now, &grant)
		if wake {
			a.delayWakeup(part, m.accepted)
		}
		switch result {
		case appendOK:
			return part, nil
		case appendClaimed:
			a.direct = part
			return part, nil
		case appendClosed:
			return part, iggyerr.ErrClosed
		case appendStaleRoute:
			r = t.route.Load()
		case appendOutOfMemory:
			a.flush()
			if err := p.limit.reserveMemory(ctx, need-grant); err != nil {
				return part, fmt.Errorf("waiting for memory in the producer's buffer: %w", err)
			}
			grant = need
		}
	}
}
