package consumer

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

// rest has a draining partition wait no longer for messages that only wait
// themselves, for their next delivery, and for those that were given back: nobody
// works on them, and whoever gets the partition gets them again. Those behind them in their lanes wait with
// them. From then on nothing of it is handed out, unless it resumes. p.mu is held.
func (p *partition) rest() {
	if p.onlyWaits() && (p.run.length == p.back || p.e.batches) {
		p.resting = true
	}
}

// onlyWaits tells whether messages wait for their next delivery, or to be taken again, and nobody works on any. p.mu is held.
func (p *partition) onlyWaits() bool {
	return p.waiting+p.back > 0 && p.out.length == 0 && p.running == 0 && p.buried == 0
}

// idle is how many of the messages in hand nobody works on. p.mu is held.
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

// drain stops taking in messages and forgets those that nobody has seen, so that
// only what the application has in hand remains to be finished. Messages
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

// cut forgets the read and queued messages that nobody has seen, so that they
// are fetched again. p.mu is held.
func (p *partition) cut() {
	dropped, first := 0, p.position
	if p.intaking {
		// Also if it resumes before they are decoded: those before them may be fetched again, too.
		p.forsaken = true
		first = min(first, p.taking)
	}
	drop := func(r *message) {
		dropped++
		first = min(first, r.raw.Offset)
		p.memory.dedup.forget(r.raw.ID)
		p.letGo(r)
	}
	p.lanes.cut(p.given, drop)
	p.run.cut(p.given, func(r *message) {
		p.lanes.end(r)
		drop(r)
	})
	p.tracker.cut(p.given)
	p.free(dropped)
	if len(p.buffer) > 0 {
		first = min(first, p.buffer[0].rest[0].Offset)
	}
	p.position = first
	p.hot = true
	p.discard()
}

// discard forgets what was read and not taken in. p.mu is held.
func (p *partition) discard() {
	for _, a := range p.buffer {
		p.e.ahead.give(p, hold{messages: len(a.rest)})
		p.release(a, len(a.rest))
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
