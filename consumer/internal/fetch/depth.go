package fetch

// depth is how many polls of one partition are in flight at once. It grows while the application
// waits for messages and several polls are answered as fast as one: then the distance to the server
// limits the rate. It shrinks while the application does not wait.
type depth struct {
	polls  int
	unused int // answers in a row for which the application did not wait
}

const (
	// maxDepth bounds the polls of one partition that are in flight.
	maxDepth = 16
	// bufferedPolls is how many answers are prefetched.
	bufferedPolls = 2
	// shrinkAfter is the number of answers that nobody waited for after which the depth shrinks.
	shrinkAfter = 64
)

func (d *depth) reset() { d.polls = 1 }

// answered notes an answer. waited tells that it was complete and the application had nothing left,
// and quick that the answer was not delayed by others before it.
func (d *depth) answered(waited, quick bool) {
	if !waited {
		if d.unused++; d.unused >= shrinkAfter {
			d.unused, d.polls = 0, max(d.polls-1, 1)
		}
		return
	}
	d.unused = 0
	if quick {
		d.polls = min(2*d.polls, maxDepth)
	}
}
