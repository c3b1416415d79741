package producer_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
)

func TestMain(m *testing.M) {
	// The zstd library makes channels when it is first used, which must not be within the bubble of
	// a test that others would then depend on.
	packed, err := encoding.Append(nil, config.CompressionZstd, []byte("x"))
	if err == nil {
		_, err = encoding.Decode("zstd", packed, 1<<20)
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
