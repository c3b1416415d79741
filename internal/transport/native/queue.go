package native

// queue holds the calls that were written or are being written, in order. The mutex of conn guards
// it, and its slots bound it.
type queue struct {
	ring       [maxInFlight]*call
	head, size int
}

func (q *queue) push(k *call) {
	q.ring[(q.head+q.size)%len(q.ring)] = k
	q.size++
}

// front returns the call that the next answer is for, or nil.
func (q *queue) front() *call { return q.ring[q.head] }

func (q *queue) pop() *call {
	k := q.ring[q.head]
	if k != nil {
		q.ring[q.head] = nil
		q.head = (q.head + 1) % len(q.ring)
		q.size--
	}
	return k
}

// removeLast removes k if it is the last call.
func (q *queue) removeLast(k *call) {
	if last := (q.head + q.size - 1 + len(q.ring)) % len(q.ring); q.ring[last] == k {
		q.ring[last] = nil
		q.size--
	}
}

// frontCall returns the call that the next answer is for.
func (c *conn) frontCall() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.front()
}

// dequeue removes k from the queue, unless the end of the connection has done so.
func (c *conn) dequeue(k *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.front() != k {
		return false
	}
	c.queue.pop()
	return true
}

// unqueue removes a call of which nothing was written. It returns false when the connection has
// ended, which has settled the call.
func (c *conn) unqueue(k *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.queue.removeLast(k)
	}
	return c.err == nil
}
