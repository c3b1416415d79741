package fetch

import (
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Batch is the messages of one poll. Its memory is reused: when all messages are settled, deliver
// calls Recycle, which gives the memory of the payloads to a later poll of the connection (see
// deliver/memory.go), and the bytes go back to the cursor's Room.
type Batch struct {
	Messages []wire.Message
	// Encoded is the size of the messages as the server counts it, and Bytes the memory that they
	// take of the cursor's Room.
	Encoded, Bytes int
	// Recycle, if set, gives back the memory of the payloads. Nobody may refer to them after that.
	Recycle func()
}

// newBatch returns the answer of a poll as a batch. The memory of the payloads is reused by later
// polls only if the headers, which stay readable for as long as there is a message, are not in it:
// they are copied if the reserved bytes have room for that. wanted is the memory that the batch
// takes with its headers copied.
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
