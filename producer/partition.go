package producer

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
)

// partition is the queue of one partition and its sender: the open batch fills
// until it is full or the sender takes it, full ones wait in the queue, and one
// batch at a time is in flight.
//
// The queue is bounded by the ceiling, which its messages passed before.
type partition struct {
	topic *topicState
	id    uint32
	link  *link.Link
	gone  atomic.Bool // the topic does not have it any more

	mu       sync.Mutex
	epoch    *epoch
	open     *batch
	queue    []*batch
	inFlight *batch
	sleep    sleep
	started  bool // the sender runs
	closed   bool // the sender has gone, or never will run
	busy     bool // a caller sends, the sender must not
	bytes    int  // how large the next batch will be, by the last ones
	messages int

	wake   chan struct{} // a token for the sleeping sender
	bereft bool          // of its sender, whose goroutine a callback is ending; the sender's own
}

// sleep is what a sender waits for.
type sleep uint8

const (
	awake     sleep = iota
	idle            // for a message
	lingering       // for a full batch
	starting        // for its first message
)

func newPartition(t *topicState, id uint32, e *epoch) *partition {
	return &partition{
		topic: t, id: id, link: t.producer.linkOf(t, id), epoch: e,
		wake: make(chan struct{}, 1),
	}
}

// appended is what came of an append.
type appended uint8

const (
	isAppended appended = iota
	isTaken             // in flight by itself: the caller is to send it
	isStale             // the route is an old one: choose again
	isClosed
	isOutOfMemory
)

// append adds a message to the open batch. grant is batch memory that the caller
// took from the ceiling; when append needs it, it is used up. need is how
// much it lacks when it is out of memory. wake tells that the sender must be woken.
func (p *partition) append(e *epoch, it *item, rec pending, now int64, grant *int64) (what appended, need int64, wake bool) {
	size := it.size()
	cfg := &p.topic.producer.cfg
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed, !p.start():
		return isClosed, 0, false
	case p.epoch != e && p.epoch.number > e.number, p.gone.Load():
		return isStale, 0, false
	case p.epoch != e:
		p.turnEpoch(e)
	}
	if b := p.open; b != nil && (b.len() >= cfg.MaxBatchMessages || b.wire.Size()+size > int(cfg.MaxBatchBytes)) {
		p.seal()
		wake = p.sleep == lingering
	}
	if p.open == nil {
		b := p.topic.producer.getBatch(size, min(p.bytes, int(cfg.MaxBatchBytes)), min(p.messages, cfg.MaxBatchMessages), grant)
		if b == nil {
			return isOutOfMemory, (&batch{}).grown(size, 1), p.rouse(wake)
		}
		b.epoch = p.epoch
		b.epoch.enter()
		p.open = b
	} else if b := p.open; !b.hasRoom(size) {
		if !p.enlarge(b, size, grant) {
			return isOutOfMemory, b.grown(size, 1) - b.memory, p.rouse(wake)
		}
	}
	b := p.open
	if rec.withdraws {
		b.withdrawers++
		rec.sink.(withdrawer).placed(rec.index, place{partition: p, batch: b, index: b.len()})
	}
	b.wire.Append(it.id, uint64(now/1000), it.payload, it.headers)
	b.messages = append(b.messages, rec)
	b.calls = b.calls || rec.sink != nil && !rec.withdraws
	if rec.direct && b.len() == 1 && p.claim(b) {
		return isTaken, 0, p.rouse(wake)
	}
	wake = wake || p.sleep == starting || p.sleep == idle && !p.busy || p.sleep == lingering && b.len() >= cfg.MaxBatchMessages
	return isAppended, 0, p.rouse(wake)
}

// start starts the sender unless it runs already; false when it is too late for
// that. p.mu is held.
func (p *partition) start() bool {
	if p.started {
		return true
	}
	if !p.topic.producer.addSender() {
		p.closed = true
		return false
	}
	p.started = true
	p.sleep = starting // until it is woken, so that messages sent together leave together from the first
	go p.run()
	return true
}

// rouse notes that the sender is being woken, so that the next message need not.
func (p *partition) rouse(wake bool) bool {
	if wake {
		p.sleep = awake
	}
	return wake
}

// enlarge makes room in the open batch for more than the next message if the memory
// ceiling allows it, and for that one at least.
func (p *partition) enlarge(b *batch, size int, grant *int64) bool {
	cfg := &p.topic.producer.cfg
	have := b.wire.Size()
	bytes := max(size, min(max(have, 4<<10), int(cfg.MaxBatchBytes)-have))
	messages := max(1, min(max(b.len(), 8), cfg.MaxBatchMessages-b.len()))
	return p.topic.producer.growAhead(b, size, bytes, messages, grant)
}

// seal moves the open batch to the queue. p.mu is held.
func (p *partition) seal() {
	p.learn(p.open)
	p.topic.producer.closeBatch(p.open)
	p.queue = append(p.queue, p.open)
	p.passTurn()
	p.open = nil
}

// learn sizes the next batch by this one, plus a little for the variation, and
// forgets large ones slowly.
func (p *partition) learn(b *batch) {
	p.bytes = max(b.wire.Size()+b.wire.Size()/32, p.bytes-p.bytes/32)
	p.messages = max(b.len()+b.len()/32, p.messages-p.messages/32)
}

// passTurn makes it the next partition's turn to take messages without a key.
func (p *partition) passTurn() {
	turn := p.topic.turn.Load()
	if r := p.topic.route.Load(); r != nil && r.partitions[turn%uint32(len(r.partitions))] == p {
		p.topic.turn.CompareAndSwap(turn, turn+1)
	}
}

// signal wakes the sender; it never blocks.
func (p *partition) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// take waits for the next batch to send; nil when ctx ends first.
func (p *partition) take(ctx context.Context) *batch {
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for {
		p.mu.Lock()
		b, gate, wait := p.next()
		if b != nil {
			p.begin(b)
			p.mu.Unlock()
			if b.len() > 0 {
				return b
			}
			p.finish(b) // all of it was withdrawn
			continue
		}
		p.mu.Unlock()
		var elapsed <-chan time.Time
		if wait > 0 {
			if timer == nil {
				timer = time.NewTimer(wait)
			} else {
				timer.Reset(wait)
			}
			elapsed = timer.C
		}
		select {
		case <-p.wake:
			// Whoever else is about to send may join the batch: callers that the
			// last answer has woken are ready, too.
			runtime.Gosched()
		case <-gate:
		case <-elapsed:
		case <-ctx.Done():
			return nil
		}
	}
}

// next is the batch to send now. Without one it tells what to wait for beside a
// wake-up: a gate, or a time. p.mu is held.
func (p *partition) next() (b *batch, gate <-chan struct{}, wait time.Duration) {
	producer := p.topic.producer
	if p.busy {
		p.sleep = idle
		return nil, nil, 0
	}
	p.sleep = awake
	first := p.open
	if len(p.queue) > 0 {
		first = p.queue[0]
	}
	if first == nil {
		p.sleep = idle
		return nil, nil, 0
	}
	now := producer.clock()
	if gate = first.epoch.gate(); gate != nil {
		if left := first.deadline(producer.cfg.DeliveryTimeout) - now; left > 0 {
			return nil, gate, time.Duration(left)
		}
	}
	if first == p.open {
		linger := first.messages[0].accepted + int64(producer.cfg.Linger) - now
		if linger > 0 && !first.hurried && first.len() < producer.cfg.MaxBatchMessages {
			p.sleep = lingering
			return nil, nil, time.Duration(linger)
		}
		p.learn(first)
		p.passTurn()
		p.open = nil
		producer.closeBatch(first)
		producer.fit(first)
		return first, nil, 0
	}
	n := copy(p.queue, p.queue[1:])
	p.queue[n] = nil
	p.queue = p.queue[:n]
	return first, nil, 0
}

// begin makes b the batch in flight: from now on its messages can't be
// withdrawn, and those that were are dropped. p.mu is held.
func (p *partition) begin(b *batch) {
	p.inFlight = b
	p.closeWithdrawals(b)
}

// finish lets go of a batch whose messages all have their outcome.
func (p *partition) finish(b *batch) {
	p.mu.Lock()
	wake := p.landed()
	flushes := b.flushes
	p.mu.Unlock()
	if wake {
		p.signal()
	}
	b.epoch.leave()
	for _, f := range flushes {
		f.done()
	}
	p.topic.producer.putBatch(b)
}

// landed says that nothing is in flight any more, and whether the sender must be woken
// because it was a caller who sent. p.mu is held.
func (p *partition) landed() (wake bool) {
	p.inFlight = nil
	wake = p.busy && p.rouse(p.open != nil || len(p.queue) > 0)
	p.busy = false
	return wake
}

// putBack returns a batch that is not done to the head of the queue, behind what has
// come from an older epoch meanwhile: it waits for that. False when the partition
// has been shut.
func (p *partition) putBack(b *batch) bool {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return false
	}
	i := 0
	for i < len(p.queue) && p.queue[i].epoch.number < b.epoch.number {
		i++
	}
	p.queue = slices.Insert(p.queue, i, b)
	wake := p.landed()
	p.mu.Unlock()
	if wake {
		p.signal()
	}
	return true
}

// hurry ends the lingering of the open batch.
func (p *partition) hurry() {
	p.mu.Lock()
	if p.open != nil {
		p.open.hurried = true
	}
	wake := p.rouse(p.sleep == lingering)
	p.mu.Unlock()
	if wake {
		p.signal()
	}
}

// enterEpoch seals what belongs to the epochs before e.
func (p *partition) enterEpoch(e *epoch, gone bool) {
	p.mu.Lock()
	p.gone.Store(gone)
	p.turnEpoch(e)
	wake := p.rouse(p.sleep == lingering)
	p.mu.Unlock()
	if wake {
		p.signal()
	}
}

// turnEpoch is enterEpoch for those who hold p.mu.
func (p *partition) turnEpoch(e *epoch) {
	if p.epoch.number >= e.number {
		return
	}
	if p.open != nil {
		p.seal()
	}
	p.epoch = e
}

// insert puts a batch that took over messages of another partition behind the
// others of its epoch; false when the sender has gone.
func (p *partition) insert(b *batch) bool {
	p.mu.Lock()
	if p.closed || !p.start() {
		p.mu.Unlock()
		return false
	}
	i := 0
	for i < len(p.queue) && p.queue[i].epoch.number <= b.epoch.number {
		i++
	}
	p.queue = append(p.queue, nil)
	copy(p.queue[i+1:], p.queue[i:])
	p.queue[i] = b
	p.rouse(true)
	p.mu.Unlock()
	p.signal()
	return true
}

// shut ends the partition and returns what is left in it, oldest first.
func (p *partition) shut() []*batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	left := p.queue
	p.queue = nil
	if p.open != nil {
		p.topic.producer.closeBatch(p.open)
		left = append(left, p.open)
		p.open = nil
	}
	return left
}
