package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// exits runs f in a goroutine of its own, waits for it, and tells whether f ended the
// goroutine instead of returning, as FailNow of a test does. f does not panic.
func exitsGoroutine(f func()) bool {
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
		returned = true
	}()
	<-done
	return !returned
}

// errDecoderExited is the failure of a message whose codec, or its topic's
// key function, ended its goroutine.
var errDecoderExited = &iggyerr.PanicError{Value: "the codec or the key function ended its goroutine"}

// errLettersExited is the failure of an attempt to write a dead letter that ended its goroutine.
var errDeadLettersExited = &iggyerr.PanicError{Value: "the dead letters ended their goroutine"}

// decodeApart decodes in goroutines of their own, so that none of the caller's
// ends with a codec that exits.
func (e *engine) decodeIsolated(raw []wire.Message, dst []*message) (messages []*message) {
	if !exitsGoroutine(func() { messages = e.typed.decode(raw, dst) }) {
		return messages
	}
	messages = dst
	for i := range raw {
		one := raw[i : i+1]
		var decoded []*message
		if exitsGoroutine(func() { decoded = e.typed.decode(one, nil) }) {
			decoded = []*message{e.typed.undecodable(&raw[i], errDecoderExited)}
		}
		messages = append(messages, decoded...)
	}
	return messages
}
