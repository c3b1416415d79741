package fetch

import (
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Batch is what one poll brought.
type Batch struct {
	Messages []wire.Message
	// Encoded is the size of the messages as the server counts it, and Bytes
	// the memory that they hold: it was taken from the cursor's Room and goes
	// back there when all messages are settled.
	Encoded, Bytes int
	// Recycle, if set, gives the memory of the payloads back once nobody
	// refers to them.
	Recycle func()
}

// newBatch takes over the answer of a poll. The memory of the payloads can be
// used again only if the headers, which stay readable for as long as there is
// a message, do not lie in it: they are copied if the reserved bytes have room
// for that. wanted is the memory that the batch would take with its headers copied.
func newBatch(polled *transport.Polled, reserved int, recycle bool) (b *Batch, wanted int) {
	b = &Batch{Messages: polled.Messages}
	if recycle {
		b.Recycle = polled.Recycle
	}
	headers := 0
	for i := range b.Messages {
		m := &b.Messages[i]
		b.Encoded += wire.EncodedSize(len(m.Payload), len(m.Headers))
		headers += len(m.Headers)
	}
	b.Bytes, wanted = b.Encoded, b.Encoded
	if b.Recycle == nil || headers == 0 {
		return b, wanted
	}
	if wanted += headers; wanted > reserved {
		b.Recycle = nil
		return b, wanted
	}
	b.Bytes = wanted
	own := make([]byte, 0, headers)
	for i := range b.Messages {
		m := &b.Messages[i]
		start := len(own)
		own = append(own, m.Headers...)
		m.Headers = own[start:len(own):len(own)]
	}
	return b, wanted
}

// skip removes the first n messages.
func (b *Batch) skip(n int) { b.Messages = b.Messages[n:] }
