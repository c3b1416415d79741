package native

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// call is one request with its answer. Calls are pooled, those that were
// abandoned or failed excepted: somebody may still refer to them.
type call struct {
	op    string
	shape shape

	frame   []byte // the request, or what precedes a batch's messages
	secret  bool   // frame must not outlive the call
	buffers net.Buffers
	parts   [2][]byte

	guard     guard
	interrupt func() // guard.interrupt, made once a call and not once a use

	state  atomic.Uint32
	done   chan struct{} // has a value once the fields below are set
	status iggyerr.Status
	answer answer
	err    error
}

// States of a call. It leaves waiting once.
const (
	waiting uint32 = iota
	settled
	abandoned
)

// maxPooledFrame bounds the buffers that idle calls hold on to, in bytes. The
// index of 10,000 messages fits.
const maxPooledFrame = 192 << 10

var calls = sync.Pool{New: func() any {
	k := &call{done: make(chan struct{}, 1)}
	k.interrupt = k.guard.interrupt
	return k
}}

// newCall begins a request; the caller appends the body to its frame.
func newCall(op string, code uint32, s shape) *call {
	k := calls.Get().(*call)
	k.op, k.shape = op, s
	k.frame = wire.BeginFrame(k.frame[:0], code)
	k.state.Store(waiting)
	return k
}

// release gives a call back to which nobody refers.
func (k *call) release() {
	if k.secret || cap(k.frame) > maxPooledFrame {
		clear(k.frame)
		k.frame = nil
	}
	k.guard.conn, k.guard.stop = nil, nil
	k.secret, k.status, k.answer, k.err = false, 0, answer{}, nil
	calls.Put(k)
}

// settle gives the call its outcome, unless it has one or its caller has gone.
func (k *call) settle(status iggyerr.Status, a answer, err error) {
	if k.state.CompareAndSwap(waiting, settled) {
		k.status, k.answer, k.err = status, a, err
		k.done <- struct{}{}
	}
}

// queue holds the calls that were written, or are being written, in order.
// conn's mutex guards it, its slots bound it.
type queue struct {
	ring       [maxInFlight]*call
	head, size int
}

func (q *queue) push(k *call) {
	q.ring[(q.head+q.size)%len(q.ring)] = k
	q.size++
}

// front is the call that the next answer is for, nil if there is none.
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

// retract takes k back if it is the last one.
func (q *queue) retract(k *call) {
	if last := (q.head + q.size - 1 + len(q.ring)) % len(q.ring); q.ring[last] == k {
		q.ring[last] = nil
		q.size--
	}
}

// shape is the form that the body of an answer must have.
type shape struct {
	min, max uint32
	// polled bodies have no maximum. maxBytes bounds what is kept of them.
	polled   bool
	maxBytes int
}

func (s shape) check(op string, length uint32) error {
	least, most := s.min, s.max
	if s.polled {
		least, most = polledHeadSize, length
	}
	if length != 0 && length < least || length > most || length == 0 && s.min > 0 {
		return transport.Malformed("%s: a body of %d bytes", op, length)
	}
	return nil
}

// split tells how much of a body is kept at first, and how much is dropped.
func (s shape) split(length uint64) (keep, drop uint64) {
	keep = length
	if s.polled && s.maxBytes > 0 {
		keep = min(length, polledHeadSize+max(uint64(s.maxBytes), wire.MessageHeaderSize))
	}
	return keep, length - keep
}
