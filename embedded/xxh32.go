package embedded

import (
	"encoding/binary"
	"math/bits"
)

const (
	xxh32Prime1 uint32 = 2654435761
	xxh32Prime2 uint32 = 2246822519
	xxh32Prime3 uint32 = 3266489917
	xxh32Prime4 uint32 = 668265263
	xxh32Prime5 uint32 = 374761393
)

// xxh32 returns the XXH32 hash with seed 0. The protocol uses it for the partition of a message key
// (verified with recorded keys), for the number of a named consumer and for the id of a client.
func xxh32(b []byte) uint32 {
	n := uint32(len(b))
	var h uint32
	if len(b) >= 16 {
		var seed uint32
		v1, v2, v3, v4 := seed+xxh32Prime1+xxh32Prime2, seed+xxh32Prime2, seed, seed-xxh32Prime1
		for ; len(b) >= 16; b = b[16:] {
			v1 = xxh32Round(v1, binary.LittleEndian.Uint32(b))
			v2 = xxh32Round(v2, binary.LittleEndian.Uint32(b[4:]))
			v3 = xxh32Round(v3, binary.LittleEndian.Uint32(b[8:]))
			v4 = xxh32Round(v4, binary.LittleEndian.Uint32(b[12:]))
		}
		h = bits.RotateLeft32(v1, 1) + bits.RotateLeft32(v2, 7) + bits.RotateLeft32(v3, 12) + bits.RotateLeft32(v4, 18)
	} else {
		h = xxh32Prime5
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h += binary.LittleEndian.Uint32(b) * xxh32Prime3
		h = bits.RotateLeft32(h, 17) * xxh32Prime4
	}
	for _, c := range b {
		h += uint32(c) * xxh32Prime5
		h = bits.RotateLeft32(h, 11) * xxh32Prime1
	}
	h ^= h >> 15
	h *= xxh32Prime2
	h ^= h >> 13
	h *= xxh32Prime3
	return h ^ h>>16
}

func xxh32Round(acc, lane uint32) uint32 {
	return bits.RotateLeft32(acc+lane*xxh32Prime2, 13) * xxh32Prime1
}
