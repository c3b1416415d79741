package producer

import (
	"encoding/binary"
	"math/rand/v2"
)

// newID makes a UUIDv7 by RFC 9562 for a time in nanoseconds since the epoch: 48 bits of milliseconds, 12 bits of the
// fraction of the millisecond (method 3 of its section 6.2), 62 random bits.
// math/rand/v2's top-level generator is ChaCha8 seeded by the system, and does
// not cost a system call or a lock for each message as crypto/rand would.
func newID(now int64) (id [16]byte) {
	ns := uint64(now)
	ms, fraction := ns/1e6, ns%1e6*4096/1e6
	binary.BigEndian.PutUint64(id[0:], ms<<16|0x7000|fraction)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()>>2|1<<63)
	return id
}
