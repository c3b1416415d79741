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

// ErrUnknown is returned for a content-encoding that this package does not know.
var ErrUnknown = errors.New("encoding: unknown content-encoding")

// ErrMalformed is returned for bytes that are not what their content-encoding says.
var ErrMalformed = errors.New("encoding: malformed payload")

// Decode undoes the compression that a content-encoding header names: s2,
// zstd or gzip, in lower case as Append's names are. For an empty name, none
// and identity it returns payload itself; otherwise the result is memory of its own.
//
// limit bounds the decompressed size in bytes, 0 or less meaning no bound. A
// payload that would grow beyond it fails with an error that matches
// iggyerr.ErrTooLarge, before more than a small
// multiple of limit (8 MiB at the least) was allocated for it, whatever sizes it
// claims or hides. The limit holds for payloads that are not compressed, too.
//
// Other errors match ErrUnknown or ErrMalformed. It is safe for concurrent use.
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
		return nil, fmt.Errorf("%w %q", ErrUnknown, contentEncoding)
	}
}

const maxInt = int(^uint(0) >> 1)

// minGuess is what a buffer for an unknown size starts with at least.
const minGuess = 4 << 10

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

// zstdWindow is the memory bound below which no decoder goes: encoders that
// stream announce a window of up to 8 MiB for small contents, too, and a
// decoder refuses windows above its memory bound.
const zstdWindow = 8 << 20

// zstdDecoders has a decoder for each bound that is a power of two, made when
// it is first wanted, since the bound belongs to the decoder and not to the call.
var zstdDecoders [64]struct {
	once sync.Once
	d    *zstd.Decoder
}

func zstdDecoder(limit int) *zstd.Decoder {
	k := bits.Len(uint(max(limit, zstdWindow) - 1))
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
	out := make([]byte, 0, guess(payload, limit))
	for {
		if len(out) == cap(out) {
			if len(out) >= limit {
				return out, atEnd(r, limit)
			}
			grown := make([]byte, len(out), double(cap(out), limit))
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

// atEnd tells a payload of exactly limit bytes from a larger one.
func atEnd(r io.Reader, limit int) error {
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

func guess(payload []byte, limit int) int { return min(max(minGuess, 4*len(payload)), limit) }

func double(n, limit int) int {
	if n > limit/2 {
		return limit
	}
	return max(2*n, minGuess)
}

func tooLarge(what string, limit int) error {
	return fmt.Errorf("encoding: %s: decompressed size over %d bytes: %w", what, limit, iggyerr.ErrTooLarge)
}

func malformed(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
}
