package deliver

import "time"

// quantum is how many messages of one queue a worker handles, if there are so many, before it
// serves another one.
const quantum = 64

// worker is a goroutine that handles messages.
type worker struct {
	waiter
	run     run
	serving *Queue // guarded by the scheduler's lock, and read by the worker itself
	chunk   *chunk // is being decoded by the worker

	// Guarded by the scheduler's lock.
	busy  bool
	place uint64 // that of its run at the last check of its progress
	stuck bool   // it had made no progress then
}

// step is the next thing to do for a queue.
type step uint8

const (
	stepNone   step = iota
	stepHandle      // the messages of the run
	stepDecode      // a chunk
)

// work serves queues until the pool is closed.
func (p *Pool) work(w *worker) {
	returned := false
	defer func() {
		if !returned { // a handler ended the goroutine
			p.exited(w)
		}
	}()
	handled, began := 0, time.Time{}
	for {
		q := p.sched.nextQueue(w, handled, began)
		if q == nil {
			returned = true
			return
		}
		began = time.Now()
		if p.handleBatch != nil {
			handled = w.serveBatch(q)
		} else {
			handled = w.serve(q)
		}
	}
}

// exited ends what a worker did whose goroutine was ended by a handler or a codec, and has another
// worker started in its place.
func (p *Pool) exited(w *worker) {
	q := w.serving
	if c := w.chunk; c != nil {
		c.err = errExited
		q.admit(c)
		q.update(func(d *delivery) {
			d.runs.batching = false
			d.changed()
		})
	} else if p.handleBatch != nil {
		w.endBatch(q, errExited)
	} else {
		w.run.setOutcome(errExited)
		w.next(q, false)
	}
	p.sched.workerExited(w)
}

// serve handles some messages of the queue, and returns how many. Between two runs the lock is
// taken once: to settle the one and to get the other.
func (w *worker) serve(q *Queue) int {
	for handled := 0; ; {
		what, c := w.next(q, handled < quantum)
		switch what {
		case stepHandle:
			handled += w.run.handle(q.pool.handle)
		case stepDecode:
			w.decode(q, c)
		default:
			return handled
		}
	}
}

// next settles the worker's run, and gets the next run or a chunk to decode; neither when there is
// nothing to do, or more is false.
func (w *worker) next(q *Queue, more bool) (step, *chunk) {
	q.mu.Lock()
	d := &q.d
	if w.run.active {
		d.runs.end(&w.run)
		d.checkDrained()
	}
	what, c := stepNone, (*chunk)(nil)
	if more && d.runs.running < q.pool.workersPerQueue() {
		what, c = d.next(&w.run, q.pool.sched.runLength())
	}
	if what == stepHandle {
		d.runs.running++
	}
	d.announce() // for others, since this worker may take long
	after := d.assignment.takeActions()
	if what == stepNone && d.runs.running == 0 {
		d.assignment.limits.inFlight.Return()
	}
	q.mu.Unlock()
	after.do(q)
	if what == stepHandle && len(w.run.messages) > 1 {
		q.pool.sched.watch()
	}
	return what, c
}
