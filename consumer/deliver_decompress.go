package consumer

import (
	"bytes"

	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// shrink gives room for decompressed payloads back. p.mu is held.
func (p *partition) releaseDecompressed(n int) {
	if n == 0 {
		return
	}
	wakeAll(p.e.decompressed.release(&p.decompressedShare, n))
}

// unpackable tells how many of the messages may be decoded now, and what room was
// reserved for them: as many as are not compressed, or one that is. p.mu is held.
func (p *partition) reserveDecompressed(raw []wire.Message) (n, reserved int) {
	for n < len(raw) && !compressed(&raw[n]) {
		n++
	}
	if n > 0 {
		return n, 0
	}
	name, _ := encodingOf(&raw[0]) // malformed headers fail when the message is decoded
	// Even one that claims nothing takes a byte: the partition is not empty then.
	size := max(1, min(encoding.Size(name, raw[0].Payload), int(p.e.cfg.MaxDecompressedBytes)))
	if p.e.decompressed.reserve(&p.decompressedShare, quotaRequest{want: size, least: size, whenEmpty: size}) == 0 {
		return 0, 0
	}
	return 1, size
}

var contentEncoding = []byte(topic.HeaderContentEncoding)

// compressed tells whether a message may be compressed. Most have no headers.
func compressed(m *wire.Message) bool {
	return len(m.Headers) > 0 && bytes.Contains(m.Headers, contentEncoding)
}

// encodingOf is the compression that a message's headers name; none is empty. It fails when they are malformed.
func encodingOf(m *wire.Message) (name string, err error) {
	err = wire.RangeHeaders(m.Headers, func(key, value string) bool {
		if key != topic.HeaderContentEncoding {
			return true
		}
		name = value
		return false
	})
	return name, err
}
