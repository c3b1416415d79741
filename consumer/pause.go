package consumer

// Pause stops the delivery of a partition's messages, whether the partition is assigned now or
// later, until Resume. Messages in flight are not affected.
func (c *Consumer[T]) Pause(partition uint32) { c.e.setPaused(partition, true) }

// Resume ends a Pause.
func (c *Consumer[T]) Resume(partition uint32) { c.e.setPaused(partition, false) }

// setPaused stops or resumes the delivery of a partition's messages.
func (e *engine) setPaused(id uint32, paused bool) {
	e.mu.Lock()
	if paused {
		e.paused[id] = true
	} else {
		delete(e.paused, id)
	}
	e.mu.Unlock()
	if p := e.findPartition(id); p != nil {
		p.mu.Lock()
		p.paused = paused
		p.scheduleIfReady()
		p.mu.Unlock()
		e.wakePollers()
	}
}

func (e *engine) isPaused(id uint32) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.paused[id]
}
