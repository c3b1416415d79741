package wire

// Grow makes room for bytes more bytes and messages more messages, no more and
// no less than that, so that a batch's Cap is known before it is filled.
func (b *Batch) Grow(bytes, messages int) {
	if cap(b.buf)-len(b.buf) < bytes {
		grown := make([]byte, len(b.buf), len(b.buf)+bytes)
		copy(grown, b.buf)
		b.buf = grown
	}
	if cap(b.ends)-len(b.ends) < messages {
		grown := make([]uint32, len(b.ends), len(b.ends)+messages)
		copy(grown, b.ends)
		b.ends = grown
	}
}

// Free is the number of bytes and of messages that can be appended without an
// allocation.
func (b *Batch) Free() (bytes, messages int) {
	return cap(b.buf) - len(b.buf), cap(b.ends) - len(b.ends)
}

// Encoded is the i-th message as it is sent. It aliases the batch's memory.
func (b *Batch) Encoded(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.buf[start:b.ends[i]]
}

// ID is the id of the i-th message.
func (b *Batch) ID(i int) (id [16]byte) {
	start := uint32(0)
	if i > 0 {
		start = b.ends[i-1]
	}
	copy(id[:], b.buf[start+8:])
	return id
}

// AppendEncoded adds a message that is encoded already, as Encoded returns it.
func (b *Batch) AppendEncoded(message []byte) {
	b.buf = append(b.buf, message...)
	b.ends = append(b.ends, uint32(len(b.buf)))
}

// Keep drops the messages for which keep is false and leaves the others as
// they are, in their order.
func (b *Batch) Keep(keep func(i int) bool) {
	start, size, kept := uint32(0), 0, 0
	for i, end := range b.ends {
		if keep(i) {
			size += copy(b.buf[size:], b.buf[start:end])
			b.ends[kept] = uint32(size)
			kept++
		}
		start = end
	}
	b.buf, b.ends = b.buf[:size], b.ends[:kept]
}
