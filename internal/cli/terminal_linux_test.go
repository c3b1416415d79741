package cli_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/cli"
)

// screen is a pseudo-terminal that keeps what is drawn.
type screen struct {
	*os.File
	t     *testing.T
	drawn lockedBuffer
	read  sync.WaitGroup
}

func newScreen(t *testing.T, columns, lines uint16) *screen {
	t.Helper()
	if os.Getenv("TERM") == "dumb" {
		t.Skip("TERM is dumb: nothing is drawn")
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: lines}))
	s := &screen{File: slave, t: t}
	s.read.Go(func() {
		_, _ = io.Copy(&s.drawn, master) // ends with an error when the other side is closed
		_ = master.Close()
	})
	t.Cleanup(func() { _ = slave.Close() })
	return s
}

// run runs the program at the terminal, and returns what it has drawn.
func (s *screen) run(ctx context.Context, in io.Reader, args ...string) (code int, drawn string) {
	s.t.Helper()
	code = cli.Run(ctx, cli.Streams{In: in, Out: s.File, Err: s.File}, args)
	require.NoError(s.t, s.Close())
	s.read.Wait()
	return code, s.drawn.String()
}

var escape = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// requireFits requires that no line is wider than the terminal.
func requireFits(t *testing.T, drawn string, columns int) {
	t.Helper()
	for _, line := range regexp.MustCompile(`[\r\n]+`).Split(escape.ReplaceAllString(drawn, ""), -1) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), columns, "%q", line)
	}
}

func TestLagFitsSmallTerminal(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run("publish-task", "-f", writeFile(t, taskJSON)).ok(t)

	code, drawn := newScreen(t, 40, 60).run(t.Context(), strings.NewReader(""), s.args([]string{"lag"})...)
	require.Zero(t, code)
	requireFits(t, drawn, 40)
	require.Contains(t, drawn, "jobs.tasks workers")
	require.Contains(t, drawn, "\x1b[33m1\x1b[0m", "a lag has a colour")
	require.Contains(t, drawn, "total lag: 1")

	code, drawn = newScreen(t, 100, 60).run(t.Context(), strings.NewReader(""), s.args([]string{"lag"})...)
	require.Zero(t, code)
	require.Equal(t, 20, strings.Count(drawn, "\n"), "a line each where there is room")

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	small := newScreen(t, 40, 10)
	go func() {
		for !strings.Contains(small.drawn.String(), "ctrl-C ends") && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond) // between two readings
		}
		cancel()
	}()
	code, drawn = small.run(ctx, strings.NewReader(""), s.args([]string{"lag", "--watch"})...)
	require.Zero(t, code)
	requireFits(t, drawn, 40)
	require.Less(t, strings.Count(drawn, "\n"), 10, "nothing scrolls out of sight: %s", drawn)
	require.Contains(t, drawn, "jobs.tasks workers")
	require.Contains(t, drawn, "17 partitions without a lag")
}

func TestProgressFitsSmallTerminal(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	// Longer than what is done without a bar.
	s.Inject(iggytest.Delay(300 * time.Millisecond).On(embedded.SendMessages).Times(10))
	tasks := strings.Repeat(taskJSON+"\n", 5000)
	code, drawn := newScreen(t, 40, 10).run(t.Context(), strings.NewReader(""), s.args([]string{"publish-task", "-f", writeFile(t, tasks)})...)
	require.Zero(t, code, drawn)
	requireFits(t, strings.ReplaceAll(drawn, "published 5000 tasks to fetchbox/jobs.tasks", ""), 40)
	require.Regexp(t, `published \d+000 +\d+%`, drawn)
	require.Contains(t, drawn, "published 5000 tasks to fetchbox/jobs.tasks\r\n")
}

// TestProgressOfDeadLetters requires that the reading of dead letters and the changes of them are
// visible while they last.
func TestProgressOfDeadLetters(t *testing.T) {
	t.Parallel()
	const letter = `{"task":{"jobId":"j","jobType":"t","resourceId":"r","url":"http://localhost/"},"failureCode":"SYSTEM_PANIC"}` + "\n"
	s := newSystem(t)
	s.run("publish", "dlq", "--format", "lines", "--type", "DeadLetterTask", "--file", writeFile(t, strings.Repeat(letter, 4000))).ok(t)
	// Longer than what is done without a bar.
	s.Inject(iggytest.Delay(300 * time.Millisecond).On(embedded.SendMessages).Times(3))
	s.Inject(iggytest.Delay(300 * time.Millisecond).On(embedded.PollMessages).Times(5))
	code, drawn := newScreen(t, 40, 10).run(t.Context(), strings.NewReader(""), s.args([]string{"dlq", "drop", "--all", "--yes"})...)
	require.Zero(t, code, drawn)
	requireFits(t, drawn, 40)
	require.Regexp(t, `read \d+`, drawn)
	require.Regexp(t, `dropped \d000 +\d+%`, drawn)
	require.True(t, strings.HasSuffix(drawn, "\x1b[2K\rdropped 4000 dead letters\r\n"), "%q", drawn)
}

func TestDLQListFitsTheTerminal(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.write(failed{1, 7, strings.Repeat("LONG_", 5), "a", nil, "", " and failed again"})
	list := func(columns uint16) string {
		code, drawn := newScreen(t, columns, 24).run(t.Context(), strings.NewReader(""), l.args([]string{"dlq", "list", letterTopic})...)
		require.Zero(t, code)
		requireFits(t, drawn, int(columns))
		return escape.ReplaceAllString(drawn, "")
	}
	require.Contains(t, list(200), `open   it \u001b[31mfailed and failed again`)
	require.Contains(t, list(125), `failed and failed a…`, "the cause is cut")
	require.Contains(t, list(60), "origin: shop/orders/1/7\r\n")
}
