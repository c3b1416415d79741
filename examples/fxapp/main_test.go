package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// child makes the test's binary the program itself, for tests that need it as a
// process of its own.
const child = "FXAPP_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}
