package encoding

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Append appends the compressed src to dst and returns the longer slice. The name of the
// compression is the content-encoding that Decode takes:
//
//   - none (or empty): src as it is
//   - s2: one S2 block with its length in front, no stream framing
//   - zstd: one frame with its content size and checksum
//   - gzip: one member
//
// dst and src must not overlap. Append is safe for concurrent use. It fails only for a compression
// that does not exist.
func Append(dst []byte, c config.Compression, src []byte) ([]byte, error) {
	switch c {
	case config.CompressionNone, "":
		return append(dst, src...), nil
	case config.CompressionS2:
		return appendS2(dst, src)
	case config.CompressionZstd:
		return zstdEncoder().EncodeAll(src, dst), nil
	case config.CompressionGzip:
		return appendGzip(dst, src)
	default:
		return dst, fmt.Errorf("%w %q", errUnknown, string(c))
	}
}

func appendS2(dst, src []byte) ([]byte, error) {
	bound := s2.MaxEncodedLen(len(src))
	if bound < 0 {
		return dst, fmt.Errorf("encoding: s2: %d bytes are too many for one block", len(src))
	}
	n := len(dst)
	if cap(dst)-n < bound {
		dst = append(dst, make([]byte, bound)...)[:n]
	}
	// s2.Encode writes into what it is given when that has room for the bound.
	block := s2.Encode(dst[n:n+bound], src)
	return dst[:n+len(block)], nil
}

var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	// Without a writer the encoder starts no goroutine; the options are valid.
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		panic(err)
	}
	return e
})

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func appendGzip(dst, src []byte) ([]byte, error) {
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	out := bytes.NewBuffer(dst)
	w.Reset(out)
	// Neither fails: the buffer takes everything.
	if _, err := w.Write(src); err != nil {
		return dst, fmt.Errorf("encoding: gzip: %w", err)
	}
	if err := w.Close(); err != nil {
		return dst, fmt.Errorf("encoding: gzip: %w", err)
	}
	w.Reset(io.Discard) // don't keep the caller's memory alive in the pool
	return out.Bytes(), nil
}
