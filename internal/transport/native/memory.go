package native

import "sync"

// Answers to polls are read into memory that their readers give back and that
// is used again: fresh memory of this size costs as much to clear and to collect
// as the answer costs to read (measured: a third of a consumer's CPU time with
// messages of 512 bytes).

// Bodies are pooled by size, in steps of bodyStep bytes: an answer takes at most
// that much more than it needs. Those below minBody are not worth it, those
// above believed are not kept.
const (
	bodyStep = 16 << 10
	minBody  = 64 << 10
)

// body is pooled memory for one answer; its length is a multiple of bodyStep.
type body struct{ bytes []byte }

var bodies [believed / bodyStep]sync.Pool

// Scribble has memory of any size pooled, and overwritten at once when it is given back,
// so that a use after it shows. Tests set it before anything else runs.
var Scribble bool

// takeBody gives memory for size bytes, whose content is arbitrary; nil when
// memory of that size is not pooled.
func takeBody(size uint64) *body {
	if size == 0 || size < minBody && !Scribble || size > believed {
		return nil
	}
	class := (size - 1) / bodyStep
	if b, ok := bodies[class].Get().(*body); ok {
		return b
	}
	return &body{make([]byte, (class+1)*bodyStep)}
}

// give gives the memory back. Nothing may refer to it any more.
func (b *body) give() {
	if Scribble {
		for i := range b.bytes {
			b.bytes[i] = 0xdb
		}
	}
	bodies[len(b.bytes)/bodyStep-1].Put(b)
}
