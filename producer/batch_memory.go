package producer

// memorySize is the memory that the batch holds, in bytes.
func (b *batch) memorySize() int64 {
	return int64(b.wire.Cap()) + int64(cap(b.messages))*pendingMessageBytes
}

// memoryAfterGrow is what memorySize returns after grow with the same arguments.
func (b *batch) memoryAfterGrow(bytes, messages int) int64 {
	n := b.memorySize()
	freeBytes, freeEnds := b.wire.Free()
	if freeBytes < bytes {
		n += int64(bytes - freeBytes)
	}
	if freeEnds < messages {
		n += 4 * int64(messages-freeEnds)
	}
	if free := cap(b.messages) - len(b.messages); free < messages {
		n += pendingMessageBytes * int64(messages-free)
	}
	return n
}

// grow makes room for exactly so many more bytes and messages.
func (b *batch) grow(bytes, messages int) {
	b.wire.Grow(bytes, messages)
	if cap(b.messages)-len(b.messages) < messages {
		grown := make([]pendingMessage, len(b.messages), len(b.messages)+messages)
		copy(grown, b.messages)
		b.messages = grown
	}
}

// hasRoom reports whether a message of size bytes fits without growing.
func (b *batch) hasRoom(size int) bool {
	bytes, ends := b.wire.Free()
	return size <= bytes && ends > 0 && len(b.messages) < cap(b.messages)
}
