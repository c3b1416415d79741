package consumer_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
)

func TestMain(m *testing.M) {
	native.Scribble = true // what is read from memory that was given back must show
	goleak.VerifyTestMain(m)
}
