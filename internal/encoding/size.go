package encoding

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Bound returns how many bytes Decode returns at most, whatever the payload declares, without
// decompressing it; false when that is not known. Decode allocates at most one block (128 KiB) more.
func Bound(contentEncoding string, payload []byte) (n int, ok bool) {
	switch contentEncoding {
	case "", "none", "identity", "s2":
		return Size(contentEncoding, payload), true
	case "zstd":
		return boundOfFrame(payload)
	default:
		return 0, false // several gzip members may follow each other
	}
}

// boundOfFrame is Bound for a payload that is one zstd frame (RFC 8878, section 3.1.1). Small contents
// have no size in the frame: then each block is at most as large as the window.
func boundOfFrame(payload []byte) (n int, ok bool) {
	var h zstd.Header
	if h.Decode(payload) != nil || h.Skippable {
		return 0, false
	}
	const headerSize, rle, reserved, maxBlock = 3, 1, 3, 128 << 10
	at, blocks := h.HeaderSize, uint64(0)
	for last := false; !last; blocks++ {
		if at+headerSize > len(payload) {
			return 0, false
		}
		header := uint32(payload[at]) | uint32(payload[at+1])<<8 | uint32(payload[at+2])<<16
		size, kind := int(header>>3), header>>1&3
		last = header&1 == 1
		switch kind {
		case rle:
			size = 1
		case reserved:
			return 0, false
		}
		at += headerSize + size
	}
	if h.HasCheckSum {
		at += 4
	}
	if at != len(payload) {
		return 0, false
	}
	bound := h.FrameContentSize
	if !h.HasFCS {
		bound = blocks * min(h.WindowSize, maxBlock)
	}
	return int(min(bound, uint64(maxInt))), true
}

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
