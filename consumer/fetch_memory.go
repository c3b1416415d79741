package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// pollResult is the answer of one poll. Its memory is held, and counted, until its last message is
// settled.
type pollResult struct {
	remaining    []wire.Message // not yet admitted
	encodedBytes int            // the bytes of the messages, as the server counts them
	heldBytes    int            // the memory that is held, at most what was reserved
	neededBytes  int            // the memory that it takes with its headers copied
	unsettled    int            // messages that are not settled
	// recycle gives the memory of the payloads back. Nil: this memory is not reused.
	recycle  func()
	recycled bool
}

// newPollResult takes over the answer of a poll. Memory that is reused must not be needed for the
// headers, which stay readable for as long as there is a message: they are copied if the reserved
// bytes have room for that. Otherwise the memory is not reused.
func newPollResult(polled *transport.Polled, reserved int) *pollResult {
	r := &pollResult{remaining: polled.Messages, unsettled: len(polled.Messages), recycle: polled.Recycle}
	headers := 0
	for i := range r.remaining {
		m := &r.remaining[i]
		r.encodedBytes += wire.EncodedSize(len(m.Payload), len(m.Headers))
		headers += len(m.Headers)
	}
	r.heldBytes, r.neededBytes = r.encodedBytes, r.encodedBytes
	if r.recycle == nil || headers == 0 {
		return r
	}
	if r.neededBytes += headers; r.neededBytes > reserved {
		r.retainPayloads()
		return r
	}
	r.heldBytes = r.neededBytes
	own := make([]byte, 0, headers)
	for i := range r.remaining {
		m := &r.remaining[i]
		start := len(own)
		own = append(own, m.Headers...)
		m.Headers = own[start:len(own):len(own)]
	}
	return r
}

// retainPayloads leaves the payloads to whoever has them, for good. The partition's lock is held.
func (r *pollResult) retainPayloads() { r.recycle = nil }

// recyclePayloads gives the memory back when the last message is settled. The partition's lock is
// held.
func (r *pollResult) recyclePayloads() {
	if r.recycle != nil {
		r.recycle()
		r.recycle, r.recycled = nil, true
	}
}

// releaseResult releases n messages' part of a poll result. p.mu is held.
func (p *partition) releaseResult(r *pollResult, n int) {
	if r.unsettled -= n; r.unsettled > 0 {
		return
	}
	r.recyclePayloads()
	if p.e.prefetch.release(&p.prefetchShare, amount{bytes: r.heldBytes}) {
		p.e.wakePollers()
	}
}

// discardPrefetched discards the messages of the prefetch buffer. p.mu is held.
func (p *partition) discardPrefetched() {
	for _, r := range p.buffer {
		p.e.prefetch.release(&p.prefetchShare, amount{messages: len(r.remaining)})
		p.releaseResult(r, len(r.remaining))
	}
	p.buffer, p.buffered = nil, 0
}
