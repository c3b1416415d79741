package native

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// call is one request with its answer. Calls are pooled, except those that failed or were
// cancelled: something may still refer to them.
type call struct {
	op    string
	shape answerShape

	frame   []byte      // the request, or its part before a batch's messages
	secret  bool        // frame holds a secret and must not be pooled
	buffers net.Buffers // frame and a batch's messages, while they are written
	parts   [][]byte    // the memory of buffers

	interrupter interrupter
	interrupt   func() // interrupter.interrupt, allocated once per call object

	state  atomic.Uint32
	done   chan struct{} // has a value once the fields below are set
	status iggyerr.Status
	answer answer
	err    error
}

// States of a call. It leaves callWaiting once.
const (
	callWaiting uint32 = iota
	callSettled
	callCancelled
)

// maxPooledFrame bounds the buffers of pooled calls, in bytes. The index of 10,000 messages fits.
const maxPooledFrame = 192 << 10

var callPool = sync.Pool{New: func() any {
	k := &call{done: make(chan struct{}, 1)}
	k.interrupt = k.interrupter.interrupt
	return k
}}

// newCall begins a request. The caller appends the body to its frame.
func newCall(op string, code uint32, s answerShape) *call {
	k := callPool.Get().(*call)
	k.op, k.shape = op, s
	k.frame = wire.BeginFrame(k.frame[:0], code)
	k.state.Store(callWaiting)
	return k
}

// release returns a call to the pool. Nothing may refer to it any more.
func (k *call) release() {
	if k.secret || cap(k.frame) > maxPooledFrame {
		clear(k.frame)
		k.frame = nil
	}
	k.interrupter.conn, k.interrupter.stop = nil, nil
	k.secret, k.status, k.answer, k.err = false, 0, answer{}, nil
	callPool.Put(k)
}

// settle gives the call its outcome, unless it has one or was cancelled.
func (k *call) settle(status iggyerr.Status, a answer, err error) {
	if k.state.CompareAndSwap(callWaiting, callSettled) {
		k.status, k.answer, k.err = status, a, err
		k.done <- struct{}{}
	}
}
