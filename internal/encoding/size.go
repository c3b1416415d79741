package encoding

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Size is the decompressed size in bytes that a payload claims, without
// decompressing it: 0 when it claims none, and payloads may lie. For an encoding that
// Decode doesn't know it is 0, too.
func Size(contentEncoding string, payload []byte) int {
	var n uint64
	switch contentEncoding {
	case "", "none", "identity":
		return len(payload)
	case "s2":
		if size, err := s2.DecodedLen(payload); err == nil {
			n = uint64(size)
		}
	case "zstd":
		var h zstd.Header
		if err := h.Decode(payload); err == nil && h.HasFCS {
			n = h.FrameContentSize
		}
	case "gzip":
		// A member ends with its size modulo 2^32 (RFC 1952, section 2.3.1).
		if len(payload) >= 18 {
			n = uint64(binary.LittleEndian.Uint32(payload[len(payload)-4:]))
		}
	}
	return int(min(n, uint64(maxInt)))
}
