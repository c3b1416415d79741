package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// runMainEnv is the variable that makes the test binary run main, for tests that need a child
// process.
const runMainEnv = "FXAPP_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMainEnv) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}
