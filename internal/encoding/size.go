package encoding

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Size returns the decompressed size in bytes that a payload declares, without decompressing it. It
// returns 0 when the payload declares none, or when Decode does not know the encoding. A payload
// may declare a false size.
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
