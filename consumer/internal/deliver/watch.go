package deliver

import "time"

// watch has it looked soon whether workers make progress: someone has begun a run of several
// messages, or was not joined by another worker.
func (s *scheduler) watch() {
	if s.watching.Load() {
		return
	}
	s.mu.Lock()
	s.arm()
	s.mu.Unlock()
}

// arm starts the timer. s.mu is held.
func (s *scheduler) arm() {
	if s.closed || s.watching.Swap(true) {
		return
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(watchInterval, s.look)
		return
	}
	s.timer.Reset(watchInterval)
}

// look finds the workers that have made no progress since the last time. What is left of their runs
// is done by others, and others are woken: handlers are not quick any more.
func (s *scheduler) look() {
	for _, q := range s.findStuck() {
		q.rescue()
	}
}

// findStuck returns the queues of workers that make no progress.
func (s *scheduler) findStuck() (queues []*Queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watching.Store(false)
	if s.closed {
		return nil
	}
	moved, holding := false, false // some worker has moved; one that has moved holds messages of its run
	for _, w := range s.workers {
		place := w.run.place.Load()
		same := place == w.place
		w.place = place
		switch {
		case !w.busy || w.serving == nil:
		case !same:
			moved, holding = true, holding || w.run.hasMore()
			if w.stuck { // it has gone on with another run
				w.stuck = false
				s.stuck--
			}
		case !w.stuck:
			w.stuck = true
			s.stuck++
			queues = append(queues, w.serving)
		}
	}
	if len(queues) > 0 {
		s.setMean(max(s.mean, quick))
	}
	s.wakeOne()
	if holding || s.mean < quick && s.busy > s.stuck && (moved || s.list.length() > 0) {
		s.arm()
	}
	return queues
}

// rescue settles what the workers of the queue have done and takes back what they have not begun.
func (q *Queue) rescue() {
	q.mu.Lock()
	if q.d.assignment.phase != PhaseLost && !q.pool.batches() {
		q.d.runs.recallAll()
		q.d.changed()
	}
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}
