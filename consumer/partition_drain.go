package consumer

// drain stops admitting messages and discards those that were not delivered, so that only the
// messages in flight remain to be finished. Messages that stand before an acknowledged or delivered
// one are kept: they are still delivered. p.mu is held.
func (p *partition) drain() {
	if p.phase != phaseActive {
		return
	}
	p.phase = phaseDraining
	if p.e.ackOnPoll {
		// What was polled is committed: no other member gets it.
		p.scheduleIfReady()
		p.checkDrained()
		return
	}
	p.discardUndelivered()
	p.scheduleIfReady()
	p.checkDrained()
}

// resume lets a draining partition continue. p.mu is held.
func (p *partition) resume() {
	if p.phase != phaseDraining {
		return
	}
	p.phase, p.quiesced = phaseActive, false
	p.mayHaveMore = true
	p.scheduleIfReady()
	p.e.wakePollers()
}

// checkDrained wakes the membership when a draining partition has nothing left to finish. p.mu is
// held.
func (p *partition) checkDrained() {
	if p.phase != phaseDraining {
		return
	}
	p.quiesce()
	if p.isDrained() {
		p.e.wakeMembership()
	}
}

// isDrained reports whether no message of the partition is with the application or on the way to
// it. p.mu is held.
func (p *partition) isDrained() bool {
	return (p.tracker.pending() == 0 || p.quiesced) && p.running == 0 && !p.decoding && !p.polling && p.buffered == 0
}

// quiesce ends a draining partition's deliveries when all that is left waits for redelivery or was
// given back: no handler works on those messages, and the next owner gets them again. Messages
// behind them in their lanes wait with them. Nothing is delivered from then on unless the partition
// resumes. p.mu is held.
func (p *partition) quiesce() {
	if p.onlyBackingOff() && (p.ready.length == p.givenBack || p.e.batchHandler) {
		p.quiesced = true
	}
}

// onlyBackingOff reports whether messages wait for redelivery or were given back, and no handler
// works on any message. p.mu is held.
func (p *partition) onlyBackingOff() bool {
	return p.backingOff+p.givenBack > 0 && p.delivered.length == 0 && p.running == 0 && p.deadLettering == 0
}

// idleInFlight is how many of the messages in flight no handler works on. p.mu is held.
func (p *partition) idleInFlight() int {
	if p.quiesced {
		return p.inFlight()
	}
	return p.backingOff + p.givenBack
}

// discardUndelivered discards the prefetched and queued messages that were not delivered, so that
// they are fetched again. p.mu is held.
func (p *partition) discardUndelivered() {
	dropped, first := 0, p.position
	if p.decoding {
		// They are discarded even if the partition resumes before they are decoded, since messages before
		// them may be fetched again, too.
		p.discardDecoded = true
		first = min(first, p.decodingFrom)
	}
	drop := func(msg *message) {
		dropped++
		first = min(first, msg.raw.Offset)
		p.history.dedup.forget(msg.raw.ID)
		p.releaseMemory(msg)
	}
	p.lanes.removeFrom(p.deliveredEnd, drop)
	p.ready.removeFrom(p.deliveredEnd, func(msg *message) {
		p.lanes.remove(msg)
		drop(msg)
	})
	p.tracker.truncate(p.deliveredEnd)
	p.releaseInFlight(dropped)
	if len(p.buffer) > 0 {
		first = min(first, p.buffer[0].remaining[0].Offset)
	}
	p.position = first
	p.mayHaveMore = true
	p.discardPrefetched()
}
