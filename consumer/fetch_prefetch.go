package consumer

import (
	"sync"
)

// amount is an amount of prefetched messages: the number of those that are not in flight yet, and the
// bytes of the poll results of which a message is not settled.
type amount struct{ messages, bytes int }

// prefetchLimit bounds what is prefetched, polls under way included: a quota for the messages and
// one for the bytes. A partition that holds neither may always take one message.
//
// Its lock may be taken while a partition's lock is held.
type prefetchLimit struct {
	mu       sync.Mutex // makes changes of both quotas one
	messages quota
	bytes    quota
}

// prefetchShare is the part of one assigned partition in the prefetch limit.
type prefetchShare struct{ messages, bytes quotaShare }

func (l *prefetchLimit) setLimit(limit amount) {
	l.messages.limit, l.bytes.limit = limit.messages, limit.bytes
}

func (l *prefetchLimit) setMembers(members []*prefetchShare) {
	messages, bytes := make([]*quotaShare, len(members)), make([]*quotaShare, len(members))
	for i, s := range members {
		messages[i], bytes[i] = &s.messages, &s.bytes
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages.setMembers(messages)
	l.bytes.setMembers(bytes)
}

// reserve reserves room for a poll. It grants less than want when there is less room, and nothing when
// there is no room for least bytes: then s waits.
func (l *prefetchLimit) reserve(s *prefetchShare, want amount, least int) amount {
	l.mu.Lock()
	defer l.mu.Unlock()
	whenEmpty := 0
	if s.messages.used == 0 && s.bytes.used == 0 {
		whenEmpty, least = 1, 1
	}
	messages := l.messages.reserve(&s.messages, quotaRequest{want: want.messages, whenEmpty: whenEmpty})
	if messages == 0 {
		return amount{}
	}
	bytes := l.bytes.reserve(&s.bytes, quotaRequest{want: want.bytes, least: least, whenEmpty: whenEmpty})
	if bytes == 0 {
		l.messages.adjust(&s.messages, -messages)
		return amount{}
	}
	return amount{messages, bytes}
}

// adjust replaces a reservation by what arrived.
func (l *prefetchLimit) adjust(s *prefetchShare, reserved, arrived amount) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages.adjust(&s.messages, arrived.messages-reserved.messages)
	l.bytes.adjust(&s.bytes, arrived.bytes-reserved.bytes)
}

// release takes back what s held, and reports whether a partition waits for it.
func (l *prefetchLimit) release(s *prefetchShare, a amount) (wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiters := len(l.messages.release(&s.messages, a.messages)) + len(l.bytes.release(&s.bytes, a.bytes))
	return waiters > 0
}

// remove takes back all that s holds.
func (l *prefetchLimit) remove(s *prefetchShare) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages.remove(&s.messages, 0)
	l.bytes.remove(&s.bytes, 0)
}

// inUse is what is held now.
func (l *prefetchLimit) inUse() amount {
	l.mu.Lock()
	defer l.mu.Unlock()
	return amount{l.messages.inUse(), l.bytes.inUse()}
}
