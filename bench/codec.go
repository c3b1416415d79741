package main

import (
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// codec compresses without the library.
type codec struct {
	encode func(dst, src []byte) []byte
	decode func(dst, src []byte) ([]byte, error)
}

// newCodec returns the codec for s2 or zstd, with the options that the library uses.
func newCodec(c config.Compression) (codec, error) {
	switch c {
	case config.CompressionS2:
		return codec{
			encode: func(dst, src []byte) []byte { return s2.Encode(dst[:cap(dst)], src) },
			decode: func(dst, src []byte) ([]byte, error) { return s2.Decode(dst[:cap(dst)], src) },
		}, nil
	case config.CompressionZstd:
		encoder, err := zstd.NewWriter(nil)
		if err != nil {
			return codec{}, err
		}
		decoder, err := zstd.NewReader(nil)
		if err != nil {
			return codec{}, err
		}
		return codec{
			encode: func(dst, src []byte) []byte { return encoder.EncodeAll(src, dst[:0]) },
			decode: func(dst, src []byte) ([]byte, error) { return decoder.DecodeAll(src, dst[:0]) },
		}, nil
	default:
		return codec{}, fmt.Errorf("no codec for %s", c)
	}
}

// cpuOfCodec measures the CPU time that the codec itself takes for a message, in ns: to compress it,
// or to decompress it. The memory of the result is used again.
func (at *place) cpuOfCodec(decompress bool) (float64, error) {
	c, err := newCodec(at.compression)
	if err != nil {
		return 0, err
	}
	compressed := c.encode(nil, at.content)
	result := make([]byte, 0, max(s2.MaxEncodedLen(len(at.content)), len(at.content)))
	var costs []float64
	for range at.rounds {
		n, used := 0, cpuTime()
		for end := time.Now().Add(at.round / 2); time.Now().Before(end); n++ {
			if !decompress {
				c.encode(result, at.content)
			} else if _, err := c.decode(result, compressed); err != nil {
				return 0, err
			}
		}
		costs = append(costs, float64(cpuTime()-used)/float64(n))
	}
	return median(costs), nil
}
