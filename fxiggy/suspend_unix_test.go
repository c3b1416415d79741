//go:build unix

package fxiggy_test

import (
	"os"
	"syscall"
)

// suspend stops a process until resume.
func suspend(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

// resume continues a process that suspend has stopped.
func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
