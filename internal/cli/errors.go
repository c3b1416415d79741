package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a fault of the command line or of the configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// errReported ends a command whose failure has been told already.
var errReported = errors.New("reported")

// errInterrupted is the cause with which the program's context ends.
var errInterrupted = errors.New("interrupted")

// report tells what went wrong, one line for each fault, and gives the exit code.
func report(w io.Writer, err error) int {
	switch {
	case err == nil, isClosedPipe(err):
		// Whoever read the output has seen enough.
		return exitOK
	case errors.Is(err, errReported):
		return exitFailure
	}
	for _, line := range describe(err) {
		fmt.Fprintf(w, "fetchbox-iggy-cli: %s\n", line)
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

func isClosedPipe(err error) bool {
	var out *outputError
	return errors.As(err, &out) && (errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe))
}

// outputError is a failed write to standard output.
type outputError struct{ err error }

func (e *outputError) Error() string { return "standard output: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// checkedWriter makes outputErrors.
type checkedWriter struct{ w io.Writer }

func (c checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err != nil {
		err = &outputError{err}
	}
	return n, err
}

// describe gives an error in lines, without a library's prefix and stacks.
func describe(err error) []string {
	if faults := config.Faults(err); len(faults) > 0 {
		lines := make([]string, len(faults))
		for i, f := range faults {
			lines[i] = f.Error()
		}
		return lines
	}
	if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
		return []string{"interrupted"}
	}
	var panicked *iggyerr.PanicError
	if errors.As(err, &panicked) {
		return []string{fmt.Sprintf("internal error: %v", panicked.Value)}
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		// The layers above repeat the address.
		return []string{"cannot connect to the server: " + oneLine(dial.Error())}
	}
	line := oneLine(err.Error())
	var status *iggyerr.StatusError
	if errors.As(err, &status) && (status.Status == iggyerr.StatusStreamNotFound || status.Status == iggyerr.StatusTopicNotFound) {
		line += "; fetchbox-iggy-cli provision creates what is missing"
	}
	return []string{line}
}

func oneLine(text string) string {
	for _, prefix := range []string{"iggy: ", "embedded: ", "proto: ", "jobs: "} {
		text = strings.ReplaceAll(text, prefix, "")
	}
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
