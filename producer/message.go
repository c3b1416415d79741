package producer

import (
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Message is a message to send to a topic.
type Message struct {
	// Stream and Topic name the topic. It must exist.
	Stream, Topic string
	// Key chooses the partition when Partition is not set, as the server does: XXH32(Key) modulo
	// the number of partitions. It has at most 255 bytes. The empty key leaves the choice to the
	// producer, which fills one partition's batch after the other. The key itself is not stored: a
	// consumer finds its own in the message, by its topic's function (topic.Key); see WithKey.
	Key string
	// Partition is an explicit partition, made by OnPartition. The zero value leaves the choice to
	// Key.
	Partition Partition
	// ID is stored with the message and stays the same over all retries, so that readers can
	// recognize a duplicate. A UUIDv7 is made when it is zero.
	ID [16]byte
	// Payload is 1 to iggyerr.MaxPayloadBytes bytes. It is copied before the call that sends it
	// returns, so the caller may use the memory again.
	Payload []byte
	// Headers are the user headers. Keys and values have 1 to 255 bytes; together they take at most
	// iggyerr.MaxHeaderBytes encoded, with those that the library adds (content-type, message-type,
	// content-encoding and the trace context), which need up to 700 bytes. They are copied.
	Headers []topic.Header

	cipher topic.HeaderCipher // of Encode, nil for none
}

// Partition is an explicit partition of a topic, or none. Partition ids start at 0, so they are not
// the numbers of this type: use OnPartition.
type Partition struct {
	next uint64 // the id plus one
}

// OnPartition returns the partition with this id.
func OnPartition(id uint32) Partition { return Partition{next: uint64(id) + 1} }

// ID returns the partition's id; ok is false when no partition was chosen.
func (p Partition) ID() (id uint32, ok bool) { return uint32(p.next - 1), p.next != 0 }
