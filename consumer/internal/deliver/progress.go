package deliver

import "time"

// watch has the progress of workers checked soon: one has begun a run of several messages.
func (s *scheduler) watch() {
	if s.watching.Load() {
		return
	}
	s.mu.Lock()
	s.startTimer()
	s.mu.Unlock()
}

// startTimer starts the timer of the check. s.mu is held.
func (s *scheduler) startTimer() {
	if s.closed || s.watching.Swap(true) {
		return
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(watchInterval, s.checkProgress)
		return
	}
	s.timer.Reset(watchInterval)
}

// checkProgress finds the workers that have made no progress since the last check. The messages of
// their runs that are not begun are made ready again, for other workers.
func (s *scheduler) checkProgress() {
	for _, q := range s.findStuck() {
		if !q.pool.batches() { // a batch is handled as a whole
			q.recheck(true)
		}
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
	// Whether some worker has made progress, and whether one of those has messages that are not begun.
	moved, holding := false, false
	for _, w := range s.workers {
		place := w.run.place.Load()
		same := place == w.place
		w.place = place
		switch {
		case !w.busy || w.serving == nil:
		case !same:
			moved, holding = true, holding || w.run.hasMore()
			if w.stuck { // it has begun another run
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
		s.startTimer()
	}
	return queues
}
