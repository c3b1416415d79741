package consumer

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// canAdmit reports whether messages may move from the prefetch buffer to the ready queue, without
// regard to room. p.mu is held.
func (p *partition) canAdmit() bool {
	return len(p.buffer) > 0 && !p.decoding && p.blockedDeadLetters == 0 && p.stopErr == nil &&
		(p.phase == phaseActive && !p.paused || p.phase == phaseDraining && p.e.ackOnPoll) &&
		!p.inFlightShare.waiting.Load() && !p.decompressedShare.waiting.Load() && p.history.orphans.Load() == 0 && p.withinDuplicateBound()
}

// withinDuplicateBound keeps the promise about duplicates: no more messages than max_in_flight and
// commit_every together are delivered beyond the committed offset. p.mu is held.
func (p *partition) withinDuplicateBound() bool {
	if !p.e.storesOffsets || p.e.ackOnPoll {
		return true
	}
	if p.tracker.end-p.committedEnd < uint64(p.e.cfg.MaxInFlight+p.e.commitEvery) {
		return true
	}
	if p.tracker.ackedEnd > p.committedEnd {
		p.requestCommit()
	}
	return false
}

// decodeChunk is how many messages are decoded at a time. Other workers of the partition wait
// meanwhile.
const decodeChunk = 128

// admit moves up to most messages from the prefetch buffer to the ready queue, and reports whether
// anything changed. p.mu is held, and released while they are decoded.
func (p *partition) admit(most int) bool {
	if !p.canAdmit() {
		return false
	}
	r := p.buffer[0]
	n := min(len(r.remaining), most)
	if p.e.storesOffsets && !p.e.ackOnPoll {
		n = min(n, p.e.cfg.MaxInFlight+p.e.commitEvery-int(p.tracker.end-p.committedEnd))
	}
	if n = p.reserveInFlight(n); n == 0 {
		return false
	}
	decodable, reserved := p.reserveDecompressed(r.remaining[:n])
	if decodable < n {
		p.releaseInFlight(n - decodable)
		if n = decodable; n == 0 {
			return false
		}
	}
	raw := r.remaining[:n:n]
	if r.remaining = r.remaining[n:]; len(r.remaining) == 0 {
		p.buffer[0] = nil
		p.buffer = p.buffer[1:]
	}
	p.buffered -= n
	p.decoding, p.decodingFrom = true, raw[0].Offset
	wanted := p.e.prefetch.release(&p.prefetchShare, amount{messages: n})
	wanted = p.isPollDue() || wanted
	scratch := p.scratch
	p.mu.Unlock()

	if wanted {
		p.e.wakePollers()
	}
	since := time.Now().UnixNano()
	if p.e.isolateDecoding {
		p.admitDecoded(r, raw, p.e.decodeIsolated(raw, scratch[:0]), reserved, since)
		return true
	}
	var messages []*message
	callback.Run(func() error {
		messages = p.e.typed.decode(raw, scratch[:0])
		return nil
	}, func(err error) {
		if err != nil {
			// The codec ended this goroutine. Its message counts as undecodable, and the others are
			// admitted before the goroutine is gone.
			messages = p.e.decodeIsolated(raw, scratch[:0])
		}
		p.admitDecoded(r, raw, messages, reserved, since)
	})
	return true
}

// admitDecoded admits decoded messages. reserved is the room for decompressed payloads that was
// reserved for them. It locks p.mu, which stays locked.
func (p *partition) admitDecoded(r *pollResult, raw []wire.Message, messages []*message, reserved int, since int64) {
	n := len(raw)
	p.mu.Lock()
	if reserved > 0 {
		p.releaseDecompressed(reserved - messages[0].decompressed)
	}
	p.scratch = messages
	defer clear(messages)
	discard := p.discardDecoded
	p.decoding, p.discardDecoded = false, false
	switch {
	case p.phase == phaseLost:
	case discard:
		// They were not delivered, and are fetched again.
		p.releaseInFlight(n)
		p.releaseResult(r, n)
		for _, msg := range messages {
			p.releaseDecompressed(msg.decompressed)
		}
		p.checkDrained()
	default:
		for _, msg := range messages {
			p.admitMessage(msg, r, since)
		}
	}
}

// admitMessage admits a decoded message. p.mu is held.
func (p *partition) admitMessage(msg *message, r *pollResult, since int64) {
	msg.partition, msg.result = p, r
	msg.seq = p.tracker.add(msg.raw.Offset, msg.raw.Timestamp, since)
	if p.history.handledBefore.timestamp == 0 {
		p.history.handledBefore = skipRange{timestamp: msg.raw.Timestamp, below: msg.raw.Offset}
	}
	switch {
	case msg.cause != nil:
		p.counters.undecodable++
		p.deliveredEnd = max(p.deliveredEnd, msg.seq+1)
		p.giveUp(msg, msg.cause)
	case p.history.dedup.isDuplicate(msg.raw.ID):
		// Not p.settle: the first one may still be in flight.
		p.counters.duplicates++
		p.deliveredEnd = max(p.deliveredEnd, msg.seq+1)
		p.closeMessage(msg)
	case p.e.batchHandler:
		p.ready.push(msg)
	default:
		if p.lanes.add(msg) {
			p.ready.push(msg)
		}
	}
}

// decodeIsolated decodes in goroutines of their own, so that a codec that ends its goroutine does not
// end the caller's.
func (e *engine) decodeIsolated(raw []wire.Message, dst []*message) (messages []*message) {
	err := callback.Call(func() error {
		messages = e.typed.decode(raw, dst)
		return nil
	})
	if err == nil {
		return messages
	}
	messages = dst
	for i := range raw {
		var decoded []*message
		err := callback.Call(func() error {
			decoded = e.typed.decode(raw[i:i+1], nil)
			return nil
		})
		if err != nil {
			decoded = []*message{e.typed.undecodable(&raw[i], err)}
		}
		messages = append(messages, decoded...)
	}
	return messages
}

// reserveInFlight reserves room for up to want messages in flight. p.mu is held.
func (p *partition) reserveInFlight(want int) int {
	room := int(p.inFlightShare.free.Swap(0))
	if room < want {
		room += p.e.inFlight.reserve(&p.inFlightShare, quotaRequest{want: want - room, noWait: room > 0})
	}
	if room > want {
		p.releaseInFlight(room - want)
	}
	return min(room, want)
}

// releaseInFlight frees room for p's next messages or for the partitions that wait for it. p.mu is
// held.
func (p *partition) releaseInFlight(n int) {
	if p.e.inFlight.keepFree(&p.inFlightShare, n) {
		wakeAll(p.e.inFlight.releaseFree(&p.inFlightShare))
	}
}

// reserveDecompressed returns how many of the messages may be decoded now, and the room for
// decompressed payloads that it reserved: as many as are not compressed, or one that is. p.mu is
// held.
func (p *partition) reserveDecompressed(raw []wire.Message) (n, reserved int) {
	for n < len(raw) && !compressed(&raw[n]) {
		n++
	}
	if n > 0 {
		return n, 0
	}
	name, _ := encodingOf(&raw[0]) // malformed headers fail when the message is decoded
	// A message that claims no size takes one byte, so that the partition's share is not empty.
	size := max(1, min(encoding.Size(name, raw[0].Payload), int(p.e.cfg.MaxDecompressedBytes)))
	if p.e.decompressed.reserve(&p.decompressedShare, quotaRequest{want: size, least: size, whenEmpty: size}) == 0 {
		return 0, 0
	}
	return 1, size
}

// releaseDecompressed releases room for decompressed payloads. p.mu is held.
func (p *partition) releaseDecompressed(n int) {
	if n == 0 {
		return
	}
	wakeAll(p.e.decompressed.release(&p.decompressedShare, n))
}
