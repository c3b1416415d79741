package encoding

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// errUnknown is returned for an unknown content-encoding.
var errUnknown = errors.New("encoding: unknown content-encoding")

// errMalformed is returned for bytes that do not have the form of their content-encoding.
var errMalformed = errors.New("encoding: malformed payload")

// Decode decompresses a payload. contentEncoding is the value of the content-encoding header: s2,
// zstd or gzip, in lower case as for Append. For an empty name, none and identity it returns
// payload itself. Otherwise the result has memory of its own.
//
// limit bounds the decompressed size in bytes; 0 or less means no bound. A larger payload fails
// with an error that matches iggyerr.ErrTooLarge, before more than a small multiple of limit (at
// least 8 MiB) was allocated for it, whatever size it declares. The limit holds for payloads that
// are not compressed, too. Decode is safe for concurrent use.
func Decode(contentEncoding string, payload []byte, limit int) ([]byte, error) {
	if limit <= 0 {
		limit = maxInt
	}
	switch contentEncoding {
	case "", "none", "identity":
		if len(payload) > limit {
			return nil, tooLarge("payload", limit)
		}
		return payload, nil
	case "s2":
		return decodeS2(payload, limit)
	case "zstd":
		return decodeZstd(payload, limit)
	case "gzip":
		return decodeGzip(payload, limit)
	default:
		return nil, fmt.Errorf("%w %q", errUnknown, contentEncoding)
	}
}

const maxInt = int(^uint(0) >> 1)

// minInitialSize is the smallest initial size of a buffer for an unknown size, in bytes.
const minInitialSize = 4 << 10

func decodeS2(payload []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(payload)
	if err != nil {
		return nil, malformed("s2", err)
	}
	if n > limit {
		return nil, tooLarge("s2", limit)
	}
	out, err := s2.Decode(nil, payload)
	if err != nil {
		return nil, malformed("s2", err)
	}
	return out, nil
}

// minZstdMemory is the smallest memory bound of a decoder, in bytes. A decoder refuses windows
// above its bound, and streaming encoders announce a window of up to 8 MiB for small contents, too.
const minZstdMemory = 8 << 20

// zstdDecoders has a decoder for each bound that is a power of two, made at its first use: the
// bound belongs to the decoder and not to the call.
var zstdDecoders [64]struct {
	once sync.Once
	d    *zstd.Decoder
}

func zstdDecoder(limit int) *zstd.Decoder {
	k := bits.Len(uint(max(limit, minZstdMemory) - 1))
	e := &zstdDecoders[k]
	e.once.Do(func() {
		// Without a reader the decoder starts no goroutine; the options are valid.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(1<<k))
		if err != nil {
			panic(err)
		}
		e.d = d
	})
	return e.d
}

func decodeZstd(payload []byte, limit int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(payload); err == nil && h.HasFCS && h.FrameContentSize > uint64(limit) {
		return nil, tooLarge("zstd", limit)
	}
	out, err := zstdDecoder(limit).DecodeAll(payload, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, tooLarge("zstd", limit)
	case err != nil:
		return nil, malformed("zstd", err)
	case len(out) > limit:
		return nil, tooLarge("zstd", limit)
	}
	return out, nil
}

var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

func decodeGzip(payload []byte, limit int) ([]byte, error) {
	r := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(r)
	if err := r.Reset(bytes.NewReader(payload)); err != nil {
		return nil, malformed("gzip", err)
	}
	out := make([]byte, 0, initialSize(payload, limit))
	for {
		if len(out) == cap(out) {
			if len(out) >= limit {
				return out, checkEnd(r, limit)
			}
			grown := make([]byte, len(out), nextSize(cap(out), limit))
			copy(grown, out)
			out = grown
		}
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, malformed("gzip", err)
		}
	}
}

// checkEnd tells a payload of exactly limit bytes from a larger one.
func checkEnd(r io.Reader, limit int) error {
	var one [1]byte
	switch n, err := io.ReadFull(r, one[:]); {
	case n > 0:
		return tooLarge("gzip", limit)
	case err == io.EOF:
		return nil
	default:
		return malformed("gzip", err)
	}
}

func initialSize(payload []byte, limit int) int {
	return min(max(minInitialSize, 4*len(payload)), limit)
}

func nextSize(n, limit int) int {
	if n > limit/2 {
		return limit
	}
	return max(2*n, minInitialSize)
}

func tooLarge(what string, limit int) error {
	return fmt.Errorf("encoding: %s: decompressed size over %d bytes: %w", what, limit, iggyerr.ErrTooLarge)
}

func malformed(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", errMalformed, what, err)
}
