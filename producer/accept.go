package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// acceptor takes messages in, one after the other, for one call. It puts off waking
// the senders until the call is through, so that messages sent together leave together.
type acceptor struct {
	producer *Producer
	asleep   [4]*partition // to wake; more are woken at once
	n        int
	since    int64      // when the first of them was put off, on the producer's clock
	direct   *partition // where the message is the caller's to send
}

// maxPutOff is how long waking may be put off: others may send to the same partitions, and a codec or a key's
// function may be slow. It is looked at between messages.
const maxPutOff = int64(time.Millisecond)

func (a *acceptor) wake(p *partition, now int64) {
	if a.n == len(a.asleep) {
		p.signal()
		return
	}
	if a.n == 0 {
		a.since = now
	}
	a.asleep[a.n] = p
	a.n++
}

// flush wakes the senders. It must be called before each wait and at the end.
func (a *acceptor) flush() {
	for i := range a.n {
		a.asleep[i].signal()
		a.asleep[i] = nil
	}
	a.n = 0
}

// accept checks it and appends it to its partition's batch. From then on its
// outcome goes to rec.sink. An error, a *SendError, means that it was not accepted.
func (a *acceptor) accept(ctx context.Context, t *topicState, it *item, rec pending) error {
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
		if r, err = t.current(ctx); err != nil {
			return t.gaveUpWaiting(err)
		}
	}
	size := int64(it.size())
	if !p.ceiling.enterNow(size) {
		a.flush()
		if err := p.ceiling.enter(ctx, size); err != nil {
			return t.gaveUpWaiting(fmt.Errorf("room in the producer's buffer: %w", err))
		}
	}
	part, err := a.place(ctx, t, r, it, rec)
	if err != nil {
		p.ceiling.leave(size, 1)
		partition := int64(-1)
		if part != nil {
			partition = int64(part.id)
		}
		return t.refuse(partition, err)
	}
	return nil
}

// place finds the message's partition and appends it there.
func (a *acceptor) place(ctx context.Context, t *topicState, r *route, it *item, rec pending) (part *partition, err error) {
	p := a.producer
	var grant int64
	defer func() {
		if grant != 0 {
			p.ceiling.leaveMemory(grant)
		}
	}()
	reread := false
	for {
		if r == nil {
			a.flush()
			if r, err = t.current(ctx); err != nil {
				return part, err
			}
		}
		index, hash, how, err := p.choose(t, r, it)
		if errors.Is(err, errAbsent) {
			if reread {
				return nil, t.lacks(it, len(r.partitions))
			}
			reread = true
			a.flush()
			bounded, stop := until(ctx, p.closing)
			r, err = t.refresh(bounded, p.clock())
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
		rec.accepted, rec.hash, rec.how = p.clock(), hash, how
		if a.n > 0 && rec.accepted-a.since > maxPutOff {
			a.flush()
		}
		now := p.wallAt(rec.accepted)
		if it.id == ([16]byte{}) {
			it.id = newID(now)
		}
		what, need, wake := part.append(r.epoch, it, rec, now, &grant)
		if wake {
			a.wake(part, rec.accepted)
		}
		switch what {
		case isAppended:
			return part, nil
		case isTaken:
			a.direct = part
			return part, nil
		case isClosed:
			return part, iggyerr.ErrClosed
		case isStale:
			r = t.route.Load()
		case isOutOfMemory:
			a.flush()
			if err := p.ceiling.enterMemory(ctx, need-grant); err != nil {
				return part, fmt.Errorf("memory for the producer's buffer: %w", err)
			}
			grant = need
		}
	}
}

// lacks is the error for an explicit partition that the topic does not have.
func (t *topicState) lacks(it *item, n int) error {
	id, _ := it.partition.ID()
	return fmt.Errorf("partition %d of %s/%s, which has %d: %w", id, t.stream, t.name, n, iggyerr.ErrNotFound)
}
