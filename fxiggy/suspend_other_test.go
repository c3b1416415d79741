//go:build !unix

package fxiggy_test

import "os"

// suspend does nothing, since there is no portable way to stop a process.
func suspend(*os.Process) error { return nil }

// resume does nothing, like suspend.
func resume(*os.Process) error { return nil }
