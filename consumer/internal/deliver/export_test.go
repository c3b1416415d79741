package deliver

import "github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"

// Workers returns how many workers were started and have not ended.
func (p *Pool) Workers() int {
	p.sched.mu.Lock()
	defer p.sched.mu.Unlock()
	return len(p.sched.workers)
}

// Delay is the pause after a number of attempts.
func (p *Pool) Delay(attempts int) (delay int64) { return int64(p.policy.delay(attempts)) }

// Lanes are lanes for tests.
type Lanes struct {
	l        lanes
	messages map[uint64]*Message
	ready    messageList
}

func NewLanes() *Lanes { return &Lanes{messages: map[uint64]*Message{}} }

// Enter puts a message in; Next takes the next one that is ready; Done ends it; Cut removes those
// from seq on.
func (l *Lanes) Enter(seq uint64, key string) {
	m := &Message{seq: seq, Key: key}
	l.messages[seq] = m
	if l.l.enter(m) {
		l.ready.push(m)
	}
}

func (l *Lanes) Next() (seq uint64, key string, ok bool) {
	m := l.ready.pop()
	if m == nil {
		return 0, "", false
	}
	return m.seq, m.Key, true
}

func (l *Lanes) Done(seq uint64) {
	if next := l.l.leave(l.messages[seq]); next != nil {
		l.ready.push(next)
	}
	delete(l.messages, seq)
}

func (l *Lanes) Cut(seq uint64) (dropped int) {
	drop := func(m *Message) { dropped++; delete(l.messages, m.seq) }
	l.l.cut(seq, drop)
	l.ready.cut(seq, func(m *Message) {
		l.l.end(m)
		drop(m)
	})
	return dropped
}

// Keys is how many lanes there are.
func (l *Lanes) Keys() int { return len(l.l.byKey) }

// Dedup is a dedup for tests.
type Dedup struct{ d *dedup }

func NewDedup(size int) Dedup             { return Dedup{newDedup(size)} }
func (d Dedup) Repeated(id [16]byte) bool { return d.d.repeated(id) }
func (d Dedup) Settled(id [16]byte)       { d.d.settled(id) }
func (d Dedup) Forget(id [16]byte)        { d.d.forget(id) }
func (d Dedup) ForgetOpen()               { d.d.forgetOpen() }
func (d Dedup) Reset()                    { d.d.reset() }

// Prefix returns the acknowledged prefix.
func (q *Queue) Prefix() commit.Prefix {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.d.assignment.tracker.Prefix()
}

// Orphans returns how many handlers and deliveries of former assignments have not ended.
func (p *Partition) Orphans() int { return int(p.orphans.Load()) }
