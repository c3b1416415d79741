package consumer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// partition is one ownership of a partition: from when it was learned that the
// partition is this consumer's until it is not. When it is lost, set to another offset
// or dealt to this consumer again, a new one takes its place, and whatever is
// still under way for the old one has no effect any more.
type partition struct {
	e       *engine
	id      uint32
	session *link.Session
	memory  *memory
	log     *zap.Logger
	// ctx is what handlers get; it ends with a cause when the partition is lost.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// commitTurn holds one token: commits of a partition go one after another.
	commitTurn chan struct{}

	// slack is room in the window that was this partition's and is free. It is
	// used again first, and taken back by the window when others need it.
	slack    atomic.Int64
	listed   atomic.Bool // is in the scheduler's list
	starving atomic.Bool // waits for room in the window
	cramped  atomic.Bool // waits for room to decompress

	roomTaken   int  // guarded by the window's lock
	outOfWindow bool // guarded by the window's lock
	held        hold // guarded by ahead's lock
	outOfAhead  bool // guarded by ahead's lock

	unpacked      int  // guarded by the lock of unpacked
	outOfUnpacked bool // guarded by the lock of unpacked

	mu    sync.Mutex
	phase phase
	// stopped is why nothing more is fetched: on_gap or on_rewind said stop.
	stopped error
	paused  bool // by the application
	suspect bool // something does not fit: look before anything else is fetched

	// Fetching.
	from     *transport.Strategy // the first poll starts here instead of at position
	position uint64              // the next offset to fetch
	jumpOK   bool                // the next record's offset may be any: no gap
	end      uint64              // the log's end, as far as known: the offset after its last record
	hot      bool                // there may be records to fetch
	polling  bool                // a poll is under way
	polled   uint64              // the last offset that a poll brought, plus one; 0: none
	resumeAt time.Time           // after a refused poll

	// Read and not taken in.
	buffer   []*answer
	buffered int
	intaking bool
	taking   uint64 // the first offset of what is being taken in
	forsaken bool   // what is being taken in is not wanted any more: see cut
	scratch  []*record

	// In the window.
	tracker tracker
	lanes   lanes
	run     recordQueue // records whose turn it is
	out     recordSet   // records that are with the application
	running int         // handlers at work
	waiting int         // records that wait for their next delivery
	back    int         // records in the run queue that the application gave back
	buried  int         // records on their way to the dead letters
	blocked int         // those of them that could not be written yet
	given   uint64      // the number after the last record that left the queue
	batch   bool        // a batch handler is at work
	resting bool        // it drains, and what is left only waits for its next delivery: see rest

	// Committing.
	settledHead  uint64 // the tracker's head when the stored offset was stored
	stored       uint64
	hasStored    bool
	attempted    uint64 // the offset that was asked to be stored last, since the answer may be lost; nowhere: none
	commitWanted bool
	verified     time.Time     // when the stored offset was last known to be what it should
	syncs        int           // callers who wait for a commit
	stepped      chan struct{} // closed and replaced when a commit was stored, and closed when the partition is lost

	tally  tally
	unsaid []func() // log entries; see say
}

type phase uint8

const (
	phaseActive   phase = iota
	phaseDraining       // takes nothing new, finishes what it has
	phaseLost           // not this consumer's any more
)

// hasWork tells whether someone who comes finds something to do. p.mu is held.
func (p *partition) hasWork() bool {
	if p.phase == phaseLost || p.blocked > 0 || p.resting {
		return false
	}
	if p.e.batches {
		return p.mayBatch() && (p.run.length > 0 || p.mayTakeIn())
	}
	if p.running >= int(p.e.share.Load()) || (p.paused && p.phase == phaseActive) {
		return false
	}
	return p.run.length > 0 || p.mayTakeIn()
}

// mayTakeIn tells whether records may go from the buffer to the window, room
// there aside. p.mu is held.
func (p *partition) mayTakeIn() bool {
	return len(p.buffer) > 0 && !p.intaking && p.blocked == 0 && p.stopped == nil &&
		(p.phase == phaseActive && !p.paused || p.phase == phaseDraining && p.e.onPoll) &&
		!p.starving.Load() && !p.cramped.Load() && p.memory.ghosts.Load() == 0 && p.mayDeliver()
}

// mayDeliver holds the promise about duplicates: no more records than are in
// flight and commit_every together are ever delivered ahead of the stored
// offset. p.mu is held.
func (p *partition) mayDeliver() bool {
	if !p.e.commits || p.e.onPoll {
		return true
	}
	if p.tracker.tail-p.settledHead < uint64(p.e.cfg.MaxInFlight+p.e.commitEvery) {
		return true
	}
	if p.tracker.head > p.settledHead {
		p.wantCommit()
	}
	return false
}

// next gives the record whose turn it is, taking in more when there is none;
// nil when there is nothing to do. p.mu is held, and released while records
// are decoded.
func (p *partition) next() *record {
	for {
		if p.phase == phaseLost || p.blocked > 0 || p.resting || p.running >= int(p.e.share.Load()) || (p.paused && p.phase == phaseActive) {
			return nil
		}
		if r := p.run.pop(); r != nil {
			p.hand(r)
			return r
		}
		if !p.takeIn(chunk) {
			return nil
		}
	}
}

// turn puts r into another state. p.mu is held.
func (p *partition) turn(r *record, s recordState) {
	switch r.state {
	case recordGiven:
		p.out.remove(r)
	case recordBack:
		p.back--
	}
	r.state = s
	switch s {
	case recordGiven:
		p.out.add(r)
	case recordBack:
		p.back++
	}
}

// hand marks r as given to the application. p.mu is held.
func (p *partition) hand(r *record) {
	p.turn(r, recordGiven)
	r.deliveries++
	p.tally.delivered++
	if r.deliveries > 1 {
		p.tally.redelivered++
	}
	p.given = max(p.given, r.seq+1)
}

// chunk is how many records are decoded at a time: while they are, others wait.
const chunk = 128

// takeIn moves up to most records from the buffer into the window, and tells
// whether anything changed. p.mu is held, and released while they are decoded.
func (p *partition) takeIn(most int) bool {
	if !p.mayTakeIn() {
		return false
	}
	a := p.buffer[0]
	n := min(len(a.messages), most)
	if p.e.commits && !p.e.onPoll {
		n = min(n, p.e.cfg.MaxInFlight+p.e.commitEvery-int(p.tracker.tail-p.settledHead))
	}
	if n = p.makeRoom(n); n == 0 {
		return false
	}
	roomy, reserved := p.unpackable(a.messages[:n])
	if roomy < n {
		p.free(n - roomy)
		if n = roomy; n == 0 {
			return false
		}
	}
	messages := a.messages[:n:n]
	if a.messages = a.messages[n:]; len(a.messages) == 0 {
		p.buffer[0] = nil
		p.buffer = p.buffer[1:]
	}
	p.buffered -= n
	p.intaking, p.taking = true, messages[0].Offset
	wanted := p.e.ahead.give(p, hold{records: n})
	wanted = p.wantsMore() || wanted
	scratch := p.scratch
	p.mu.Unlock()

	if wanted {
		p.e.fetchMore()
	}
	since := time.Now().UnixNano()
	var records []*record
	decoded := false
	defer func() {
		if !decoded {
			// The codec ended this goroutine. What it was given counts as
			// undecodable, and the others are admitted before the goroutine is gone.
			p.takenIn(a, messages, p.e.decodeApart(messages, scratch[:0]), reserved, since)
		}
	}()
	if p.e.apart {
		records = p.e.decodeApart(messages, scratch[:0])
	} else {
		records = p.e.typed.decode(messages, scratch[:0])
	}
	decoded = true
	p.takenIn(a, messages, records, reserved, since)
	return true
}

// takenIn enters decoded records, with the room for decompressed payloads that was
// reserved for them. It takes p.mu, and leaves it held.
func (p *partition) takenIn(a *answer, messages []wire.Message, records []*record, reserved int, since int64) {
	n := len(messages)
	p.mu.Lock()
	if reserved > 0 {
		p.shrink(reserved - records[0].unpacked)
	}
	p.scratch = records
	defer clear(records)
	forsaken := p.forsaken
	p.intaking, p.forsaken = false, false
	switch {
	case p.phase == phaseLost:
	case forsaken:
		// Nobody has seen them, and they are fetched again.
		p.free(n)
		p.release(a, n)
		for _, r := range records {
			p.shrink(r.unpacked)
		}
		p.drained()
	default:
		for _, r := range records {
			p.admit(r, a, since)
		}
	}
}

// admit enters a decoded record into the window. p.mu is held.
func (p *partition) admit(r *record, a *answer, since int64) {
	r.part, r.answer = p, a
	r.seq = p.tracker.add(r.raw.Offset, r.raw.Timestamp, since)
	p.memory.lastTime = max(p.memory.lastTime, r.raw.Timestamp)
	switch {
	case r.cause != nil:
		p.tally.undecodable++
		p.given = max(p.given, r.seq+1)
		p.bury(r, r.cause)
	case p.memory.dedup.repeated(r.raw.ID):
		// Not p.finish: the first one may be in hand still.
		p.tally.duplicates++
		p.given = max(p.given, r.seq+1)
		p.close(r)
	case p.e.batches:
		p.run.push(r)
	default:
		if p.lanes.enter(r) {
			p.run.push(r)
		}
	}
}

// finish ends a record that was handled or given up: it counts as
// acknowledged. p.mu is held.
func (p *partition) finish(r *record) {
	p.memory.dedup.settled(r.raw.ID)
	p.close(r)
}

func (p *partition) close(r *record) {
	p.turn(r, recordSettled)
	p.release(r.answer, 1)
	p.shrink(r.unpacked)
	if next := p.lanes.leave(r); next != nil {
		p.run.push(next)
	}
	if p.tracker.ack(r.seq) {
		p.advanced()
	}
	p.free(1)
}

// release lets go of n records' part in an answer. p.mu is held.
func (p *partition) release(a *answer, n int) {
	if a.open -= n; a.open > 0 {
		return
	}
	a.done()
	if p.e.ahead.give(p, hold{bytes: a.bytes}) {
		p.e.fetchMore()
	}
}

// makeRoom takes room in the window for up to want records. p.mu is held.
func (p *partition) makeRoom(want int) int {
	room := int(p.slack.Swap(0))
	if room < want {
		room += p.e.window.take(p, want-room, room == 0)
	}
	if room > want {
		p.free(room - want)
	}
	return min(room, want)
}

// free makes room free, for p's next records or for those who wait for it. p.mu is held.
func (p *partition) free(n int) {
	if !p.e.window.free(p, n) {
		return
	}
	for _, q := range p.e.window.give(p) {
		p.e.sched.ready(q)
	}
}

// advanced looks after a grown prefix. p.mu is held.
func (p *partition) advanced() {
	if p.e.commits {
		pending := p.tracker.head - p.settledHead
		if pending >= uint64(p.e.commitEvery) || p.syncs > 0 {
			p.wantCommit()
		}
	}
	p.drained()
}

// drained tells the one who waits for it that nothing is in hand any more. p.mu is held.
func (p *partition) drained() {
	if p.phase != phaseDraining {
		return
	}
	p.rest()
	if p.empty() {
		p.e.kick()
	}
}

// rest has a draining partition wait no longer for records that only wait
// themselves, for their next delivery, and for those that were given back: nobody
// works on them, and whoever gets the partition gets them again. Those behind them in their lanes wait with
// them. From then on nothing of it is handed out, unless it resumes. p.mu is held.
func (p *partition) rest() {
	if p.onlyWaits() && (p.run.length == p.back || p.e.batches) {
		p.resting = true
	}
}

// onlyWaits tells whether records wait for their next delivery, or to be taken again, and nobody works on any. p.mu is held.
func (p *partition) onlyWaits() bool {
	return p.waiting+p.back > 0 && p.out.length == 0 && p.running == 0 && p.buried == 0
}

// idle is how many of the records in hand nobody works on. p.mu is held.
func (p *partition) idle() int {
	if p.resting {
		return p.inHand()
	}
	return p.waiting + p.back
}

// empty tells that nothing of the partition is with the application or on the
// way to it. p.mu is held.
func (p *partition) empty() bool {
	return (p.tracker.open() == 0 || p.resting) && p.running == 0 && !p.intaking && !p.polling && p.buffered == 0
}

// announce lists p if there is something to do. p.mu is held.
func (p *partition) announce() {
	if p.hasWork() {
		p.e.sched.ready(p)
	}
}

// drain stops taking in records and forgets those that nobody has seen, so that
// only what the application has in hand remains to be finished. Records
// that were acknowledged or given out behind others that were not are the reason
// why some of these still have their turn. p.mu is held.
func (p *partition) drain() {
	if p.phase != phaseActive {
		return
	}
	p.phase = phaseDraining
	if p.e.onPoll {
		// They are committed: nobody else will get them.
		p.announce()
		p.drained()
		return
	}
	p.cut()
	p.announce()
	p.drained()
}

// cut forgets the read and queued records that nobody has seen, so that they
// are fetched again. p.mu is held.
func (p *partition) cut() {
	dropped, first := 0, p.position
	if p.intaking {
		// Also if it resumes before they are decoded: those before them may be fetched again, too.
		p.forsaken = true
		first = min(first, p.taking)
	}
	drop := func(r *record) {
		dropped++
		first = min(first, r.raw.Offset)
		p.memory.dedup.forget(r.raw.ID)
		p.release(r.answer, 1)
		p.shrink(r.unpacked)
	}
	p.lanes.cut(p.given, drop)
	p.run.cut(p.given, func(r *record) {
		p.lanes.end(r)
		drop(r)
	})
	p.tracker.cut(p.given)
	p.free(dropped)
	if len(p.buffer) > 0 {
		first = min(first, p.buffer[0].messages[0].Offset)
	}
	p.position = first
	p.hot = true
	p.discard()
}

// discard forgets what was read and not taken in. p.mu is held.
func (p *partition) discard() {
	for _, a := range p.buffer {
		p.e.ahead.give(p, hold{records: len(a.messages)})
		p.release(a, len(a.messages))
	}
	p.buffer, p.buffered = nil, 0
}

// resume lets a draining partition go on. p.mu is held.
func (p *partition) resume() {
	if p.phase != phaseDraining {
		return
	}
	p.phase, p.resting = phaseActive, false
	p.hot = true
	p.announce()
	p.e.fetchMore()
}

// lose ends the ownership. The contexts of its handlers end with cause, and what
// they return has no effect. It gives the number of records that were with
// the application and not acknowledged; only the first loss counts.
func (p *partition) lose(cause error) (unfinished int, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseLost {
		return 0, false
	}
	p.phase = phaseLost
	p.cancel(cause)
	unfinished = p.inHand()
	if prefix, ok := p.tracker.prefix(); ok && p.tracker.stamp != 0 {
		p.memory.next, p.memory.hasNext, p.memory.stamp = prefix+1, true, p.tracker.stamp
	}
	p.memory.ghosts.Add(int64(p.running))
	ghosts := 0
	if !errors.Is(cause, errSought) { // the application itself gave up what it has
		ghosts = p.haunt()
	}
	p.memory.dedup.forgetOpen()
	p.buffer, p.buffered, p.run, p.lanes = nil, 0, recordQueue{}, lanes{}
	p.e.leaveBounds(p, ghosts)
	close(p.stepped)
	return unfinished, true
}

func (p *partition) isLost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase == phaseLost
}

// inHand is how many records are with the application, wait for another
// delivery or are on their way to the dead letters. p.mu is held.
func (p *partition) inHand() int {
	n := 0
	for i := p.tracker.head; i < min(p.tracker.tail, p.given); i++ {
		if !p.tracker.at(i).done {
			n++
		}
	}
	return n
}

// ghostGone is called when a handler of a lost partition returns, and when the
// application is done with a record of it. p.mu is held.
func (p *partition) ghostGone() {
	if p.memory.ghosts.Add(-1) == 0 {
		p.e.recheck(p.id)
	}
}
