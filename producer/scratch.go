package producer

import (
	"sync"
)

// scratch is memory for preparing one message.
type scratch struct {
	payload, compressed, headers []byte

	publication publication // empty between calls
}

// ownHeaders copies the headers of it into its scratch, where more can be appended.
func (it *item) ownHeaders() *scratch {
	s := it.getScratch()
	if !it.headersOwned {
		s.headers = append(s.headers[:0], it.headers...)
		it.headersOwned = true
	}
	return s
}

// getScratch returns the scratch of it. Most messages need none.
func (it *item) getScratch() *scratch {
	if it.scratch == nil {
		it.scratch = scratches.Get().(*scratch)
	}
	return it.scratch
}

// release returns the scratch to its pool. The item must not be used afterwards.
func (it *item) release() {
	if it.scratch != nil {
		it.scratch.release()
	}
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxPooledScratch keeps the memory of one huge message out of the pool, in bytes.
const maxPooledScratch = 1 << 20

// reserve makes room for payloads like this one, which a codec made because s had no room for it.
// payload may be the codec's own memory, so s does not keep it.
func (s *scratch) reserve(payload []byte) {
	if n := len(payload) + len(payload)/4; len(payload) > cap(s.payload) && n <= maxPooledScratch {
		s.payload = make([]byte, 0, n)
	}
}

// release returns s to the pool.
func (s *scratch) release() {
	if cap(s.payload)+cap(s.compressed)+cap(s.headers) <= maxPooledScratch {
		scratches.Put(s)
	}
}
