package producer_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/internal/encoding/encodingtest"
)

func TestMain(m *testing.M) {
	encodingtest.UseZstd(1 << 20)
	goleak.VerifyTestMain(m)
}
