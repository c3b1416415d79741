package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
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

// usageError is an error of the command line or of the configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// errReported ends a command that has printed its failure already.
var errReported = errors.New("reported")

// errInterrupted is the error of a command whose context has ended.
var errInterrupted = errors.New("interrupted")

// interrupted returns errInterrupted after an interrupt, nil before.
func interrupted(ctx context.Context) error { return interruptedOr(ctx, nil) }

// interruptedOr returns errInterrupted after an interrupt, err before.
func interruptedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// isInterrupt reports whether err is due to the end of a command's context, whose cause may be a signal.
func isInterrupt(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, errInterrupted) || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// report prints an error, a line for each fault, and returns the exit code.
func report(w io.Writer, err error) int {
	switch {
	case err == nil, isClosedPipe(err):
		// The reader of the output has closed it: nothing went wrong.
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

// isClosedPipe reports whether the reader of standard output has closed it.
func isClosedPipe(err error) bool {
	var out *outputError
	return errors.As(err, &out) && (errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe))
}

// outputError is a failed write to standard output.
type outputError struct{ err error }

func (e *outputError) Error() string { return "standard output: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// checkedWriter turns the errors of a writer into outputErrors.
type checkedWriter struct{ w io.Writer }

func (c checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err != nil {
		err = &outputError{err}
	}
	return n, err
}

// describe is an error in lines, without control characters: it may quote names and texts of others.
func describe(err error) []string {
	lines := errorLines(err)
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return lines
}

// errorLines is an error in lines, without prefixes of packages and without stacks.
func errorLines(err error) []string {
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
	if errors.As(err, &dial) && dial.Op == "dial" && !errors.Is(err, iggyerr.ErrLeader) && strings.Count(err.Error(), ": dial ") == 1 {
		// The errors around it repeat the address. Several addresses have an error each.
		return []string{"cannot connect to the server: " + oneLine(dial.Error())}
	}
	line := oneLine(err.Error())
	var status *iggyerr.StatusError
	if errors.As(err, &status) && (status.Status == iggyerr.StatusStreamNotFound || status.Status == iggyerr.StatusTopicNotFound) {
		line += "; fetchbox-iggy-cli provision creates what is missing"
	}
	return []string{line}
}

// packagePrefix matches the names of packages before their errors.
var packagePrefix = regexp.MustCompile(`(^|[:;] |\n)(?:iggy|embedded|proto|jobs|json|topic): `)

// oneLine is the text of an error on one line, without prefixes of packages.
func oneLine(text string) string {
	text = packagePrefix.ReplaceAllString(text, "$1")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
