package producer

import (
	"encoding/binary"
	"math/rand/v2"
)

// newID makes a UUIDv7 (RFC 9562) for a time in nanoseconds since the Unix epoch: 48 bits of
// milliseconds, 12 bits of the fraction of the millisecond (method 3 of its section 6.2), 62 random
// bits. The top-level generator of math/rand/v2 is ChaCha8, seeded by the system. Unlike
// crypto/rand it needs no system call and no lock per message.
func newID(now int64) (id [16]byte) {
	ns := uint64(now)
	ms, fraction := ns/1e6, ns%1e6*4096/1e6
	binary.BigEndian.PutUint64(id[0:], ms<<16|0x7000|fraction)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()>>2|1<<63)
	return id
}
