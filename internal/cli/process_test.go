package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/cli"
)

// result is the exit code and the output of a run.
type result struct {
	code     int
	out, err string
}

// ok requires that the run succeeded, and returns its output.
func (r result) ok(t *testing.T) string {
	t.Helper()
	require.Equal(t, 0, r.code, "%s%s", r.out, r.err)
	return r.out
}

// fails requires the exit code, and one line of error output that contains why.
func (r result) fails(t *testing.T, code int, why string) {
	t.Helper()
	require.Equal(t, code, r.code, "%s%s", r.out, r.err)
	require.Contains(t, r.err, why)
	require.Equal(t, 1, strings.Count(r.err, "\n"), "one line: %q", r.err)
	require.NotContains(t, r.err, "goroutine ")
}

// run runs the program to its end, without input.
func run(t *testing.T, args ...string) result {
	t.Helper()
	return runWith(t, strings.NewReader(""), args...)
}

func runWith(t *testing.T, in io.Reader, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, err bytes.Buffer
	code := cli.Run(ctx, cli.Streams{In: in, Out: &out, Err: &err}, args)
	return result{code, out.String(), err.String()}
}

// errSignal is the cause of an interrupt, as signal.NotifyContext has it.
var errSignal = errors.New("interrupt signal received")

// process is a run in progress.
type process struct {
	t         *testing.T
	out       *bufio.Reader
	stdout    *io.PipeReader
	interrupt context.CancelFunc
	err       lockedBuffer
	done      chan int
}

// begin starts a run whose output is read line by line.
func begin(t *testing.T, in io.Reader, args ...string) *process {
	t.Helper()
	ctx, end := context.WithCancelCause(context.Background())
	cancel := func() { end(errSignal) }
	r, w := io.Pipe()
	p := &process{t: t, out: bufio.NewReader(r), stdout: r, interrupt: cancel, done: make(chan int, 1)}
	go func() {
		code := cli.Run(ctx, cli.Streams{In: in, Out: w, Err: &p.err}, args)
		_ = w.Close()
		p.done <- code
	}()
	t.Cleanup(func() {
		cancel()
		_ = r.Close()
	})
	return p
}

// line waits for a line of output.
func (p *process) line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(p.t, err, p.err.String())
	return strings.TrimSuffix(line, "\n")
}

// end waits for the end of the run, and returns the rest of its output.
func (p *process) end() result {
	p.t.Helper()
	rest, err := io.ReadAll(p.out)
	require.NoError(p.t, err)
	select {
	case code := <-p.done:
		return result{code, string(rest), p.err.String()}
	case <-time.After(30 * time.Second):
		require.Fail(p.t, "it does not end")
		return result{}
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
