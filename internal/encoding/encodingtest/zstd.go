// Package encodingtest prepares package encoding for tests with synctest.
package encodingtest

import (
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
)

// UseZstd compresses with zstd, and decompresses with each limit in bytes. The zstd library makes channels
// when it is first used, and package encoding has a decoder for each power of two from 8 MiB. That must
// not be within the bubble of a test that others would then depend on, so TestMain calls UseZstd. It
// panics when zstd fails.
func UseZstd(limits ...config.Bytes) {
	packed, err := encoding.Append(nil, config.CompressionZstd, []byte("x"))
	for _, limit := range limits {
		if err == nil {
			_, err = encoding.Decode("zstd", packed, int(limit))
		}
	}
	if err != nil {
		panic(err)
	}
}
