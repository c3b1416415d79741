package consumer

// drain stops taking in messages and forgets those that nobody has seen, so that
// only what the application has in hand remains to be finished. Messages
// that were acknowledged or given out behind others that were not are the reason
// why some of these still have their turn. p.mu is held.
func (p *partition) drain() {
	if p.phase != phaseActive {
		return
	}
	p.phase = phaseDraining
	if p.e.ackOnPoll {
		// They are committed: nobody else will get them.
		p.scheduleIfReady()
		p.checkDrained()
		return
	}
	p.discardUndelivered()
	p.scheduleIfReady()
	p.checkDrained()
}

// resume lets a draining partition go on. p.mu is held.
func (p *partition) resume() {
	if p.phase != phaseDraining {
		return
	}
	p.phase, p.quiesced = phaseActive, false
	p.mayHaveMore = true
	p.scheduleIfReady()
	p.e.wakePollers()
}

// drained tells the one who waits for it that nothing is in hand any more. p.mu is held.
func (p *partition) checkDrained() {
	if p.phase != phaseDraining {
		return
	}
	p.quiesce()
	if p.isDrained() {
		p.e.wakeMembership()
	}
}

// empty tells that nothing of the partition is with the application or on the
// way to it. p.mu is held.
func (p *partition) isDrained() bool {
	return (p.tracker.pending() == 0 || p.quiesced) && p.running == 0 && !p.decoding && !p.polling && p.buffered == 0
}

// rest has a draining partition wait no longer for messages that only wait
// themselves, for their next delivery, and for those that were given back: nobody
// works on them, and whoever gets the partition gets them again. Those behind them in their lanes wait with
// them. From then on nothing of it is handed out, unless it resumes. p.mu is held.
func (p *partition) quiesce() {
	if p.onlyBackingOff() && (p.ready.length == p.givenBack || p.e.batchHandler) {
		p.quiesced = true
	}
}

// onlyWaits tells whether messages wait for their next delivery, or to be taken again, and nobody works on any. p.mu is held.
func (p *partition) onlyBackingOff() bool {
	return p.backingOff+p.givenBack > 0 && p.delivered.length == 0 && p.running == 0 && p.deadLettering == 0
}

// idle is how many of the messages in hand nobody works on. p.mu is held.
func (p *partition) idleInFlight() int {
	if p.quiesced {
		return p.inFlight()
	}
	return p.backingOff + p.givenBack
}

// cut forgets the read and queued messages that nobody has seen, so that they
// are fetched again. p.mu is held.
func (p *partition) discardUndelivered() {
	dropped, first := 0, p.position
	if p.decoding {
		// Also if it resumes before they are decoded: those before them may be fetched again, too.
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
